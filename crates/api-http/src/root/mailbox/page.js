// Shows what `GET /dev/mailbox` answers, and asks again every two seconds while somebody looks.
"use strict";

const SHOWN = 200;
const POLL_MS = 2000;
const at = (id) => document.getElementById(id);

let messages = [];
let open = null; // The key of the message that is shown.

const keyOf = (message) => JSON.stringify([message.sent_at, message.to, message.text]);

async function load() {
  const query = new URLSearchParams({ limit: SHOWN });
  const wanted = at("search").value.trim();
  if (wanted) query.set("q", wanted);
  try {
    const answer = await fetch(`/dev/mailbox?${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
    const { items } = await answer.json();
    if (wanted !== at("search").value.trim()) return; // Something else was typed meanwhile.
    messages = items;
    at("state").textContent = items.length === 0 ? "No messages" : `${items.length === SHOWN ? "Newest " : ""}${items.length}`;
    draw();
  } catch (error) {
    at("state").textContent = `Cannot be read: ${error.message}`;
  }
}

function draw() {
  if (!messages.some((message) => keyOf(message) === open)) open = messages.length ? keyOf(messages[0]) : null;
  at("messages").replaceChildren(...messages.map(row));
  show(messages.find((message) => keyOf(message) === open));
}

function row(message) {
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-current", String(keyOf(message) === open));
  button.append(message.subject || message.text);
  const small = document.createElement("small");
  small.textContent = `${message.to} · ${new Date(message.sent_at).toLocaleTimeString()}${message.code ? ` · ${message.code}` : ""}`;
  button.append(small);
  button.addEventListener("click", () => { open = keyOf(message); draw(); });
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function show(message) {
  at("message").hidden = !message;
  if (!message || at("message").dataset.key === keyOf(message)) return;
  at("message").dataset.key = keyOf(message);
  at("subject").textContent = message.subject || "Text message";
  at("to").textContent = message.to;
  at("channel").textContent = message.channel;
  at("sent").textContent = new Date(message.sent_at).toLocaleString();
  at("sent").dateTime = message.sent_at;
  at("code-line").hidden = !message.code;
  at("code").textContent = message.code ?? "";
  at("copy").textContent = "Copy code";
  at("html").hidden = !message.html;
  // A mail's links open beside the mailbox. Its scripts, if a template had any, do not run.
  at("html").srcdoc = message.html ? `<base target="_blank">${message.html}` : "";
  at("text").textContent = message.text;
  at("as-text").open = !message.html;
}

async function copy() {
  const code = at("code").textContent;
  try {
    await navigator.clipboard.writeText(code);
  } catch {
    // Without a secure origin (another machine's address) there is no clipboard API.
    const range = document.createRange();
    range.selectNodeContents(at("code"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    document.execCommand("copy");
  }
  at("copy").textContent = "Copied";
}

at("search").addEventListener("input", load);
at("copy").addEventListener("click", copy);
setInterval(() => { if (!document.hidden) load(); }, POLL_MS);
load();
