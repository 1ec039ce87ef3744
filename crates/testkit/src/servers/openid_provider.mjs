// A real OpenID provider (npm: oidc-provider). Takes orders on standard input, tells what it does on standard output.
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import http from 'node:http';
import readline from 'node:readline';
import { Provider } from 'oidc-provider';

const redirectUris = JSON.parse(process.argv[2]);
const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

// What is under way outlives a change of keys.
const shelves = new Map();
class Shelf {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  async upsert(id, payload) {
    shelves.set(this.key(id), payload);
    if (payload.uid) shelves.set(`${this.name}:uid:${payload.uid}`, id);
  }
  async find(id) { return shelves.get(this.key(id)); }
  async findByUid(uid) { return this.find(shelves.get(`${this.name}:uid:${uid}`)); }
  async findByUserCode() { return undefined; }
  async consume(id) { shelves.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }
  async destroy(id) { shelves.delete(this.key(id)); }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of shelves) if (payload?.grantId === grantId) shelves.delete(key);
  }
}

// Who signs in next, and with which claims.
const people = new Map();
let next = null;

const newKey = () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
};
const cookieKey = randomUUID();

const server = http.createServer();
let provider;
let issuer;
const build = () => {
  provider = new Provider(issuer, {
    adapter: Shelf,
    clients: [
      { client_id: 'site', client_secret: 'secret-of-the-site', redirect_uris: redirectUris, response_types: ['code'] },
      {
        client_id: 'app', token_endpoint_auth_method: 'none', application_type: 'native',
        redirect_uris: ['http://127.0.0.1/app'], response_types: ['code'],
      },
      { client_id: 'stranger', token_endpoint_auth_method: 'none', redirect_uris: ['https://stranger.example/cb'], response_types: ['code'] },
    ],
    jwks: { keys: [newKey()] },
    cookies: { keys: [cookieKey] },
    claims: {
      openid: ['sub'], email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'locale'], hd: ['hd'],
    },
    // As Google has it: the claims are in the ID token.
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people.get(sub) }) }),
  });
  provider.on('grant.success', (ctx) => say({ event: 'grant', client: ctx.oidc.client.clientId }));
  provider.on('server_error', (_, error) => say({ event: 'error', message: String(error) }));
};

// Signs in and consents whoever was named, without a page.
const interact = async (request, response) => {
  const details = await provider.interactionDetails(request, response);
  const result = {};
  if (details.prompt.name === 'login') {
    result.login = { accountId: next };
  } else {
    const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope('openid email profile');
    result.consent = { grantId: await grant.save() };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
};

let well = true;
server.on('request', (request, response) => {
  say({ event: 'request', path: request.url.split('?')[0] });
  if (!well) {
    request.socket.destroy();
  } else if (request.url.startsWith('/interaction/')) {
    interact(request, response).catch((error) => {
      say({ event: 'error', message: String(error) });
      response.writeHead(500).end();
    });
  } else {
    provider.callback()(request, response);
  }
});

server.listen(0, '127.0.0.1', () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  build();
  say({ event: 'ready', issuer });
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line);
  if (order.person) {
    const { sub, ...claims } = order.person;
    people.set(sub, claims);
    next = sub;
  }
  if (order.rotate) build();
  if ('well' in order) well = order.well;
  say({ event: 'ordered' });
}).on('close', () => process.exit(0));
