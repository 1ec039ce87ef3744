//! Reads an operator's templates.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Sources, TemplateMistake, kinds};

/// The largest template in bytes; no letter is that long.
const LARGEST: u64 = 64 * 1024;

/// The templates in a folder. Files whose names start with a dot are skipped. Any other file that is no template is a
/// mistake, because it was meant to be one.
pub(super) fn read(folder: &Path, mistakes: &mut Vec<TemplateMistake>) -> Sources {
    let mut sources = Sources::new();
    let files: Vec<String> = kinds::files().collect();
    for (language, path) in entries(folder, "", mistakes) {
        if !path.is_dir() || !is_language(&language) {
            let reason =
                "is no folder of a language: its name is a tag in lower case, such as en or pt-br";
            mistakes.push(mistake(language, reason));
            continue;
        }
        for (file, path) in entries(&path, &language, mistakes) {
            let name = format!("{language}/{file}");
            if !files.contains(&file) {
                let reason = format!("is no template; those are {}", files.join(", "));
                mistakes.push(mistake(name, reason));
                continue;
            }
            match source(&path) {
                Ok(source) => drop(sources.insert((language.clone(), file), source)),
                Err(reason) => mistakes.push(mistake(name, reason)),
            }
        }
    }
    sources
}

fn entries(
    folder: &Path,
    name: &str,
    mistakes: &mut Vec<TemplateMistake>,
) -> Vec<(String, PathBuf)> {
    let read = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = read.unwrap_or_else(|error| {
        let name = if name.is_empty() { "the folder" } else { name };
        mistakes.push(mistake(name, format!("cannot be read: {error}")));
        Vec::new()
    });
    let mut named: Vec<(String, PathBuf)> = entries
        .into_iter()
        .map(|entry| {
            (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            )
        })
        .filter(|(name, _)| !name.starts_with('.'))
        .collect();
    named.sort();
    named
}

fn is_language(name: &str) -> bool {
    let is_tag = authentication_domain::profiles::Profile::parse_language(name).is_ok();
    is_tag && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn source(path: &Path) -> Result<String, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    if fs::metadata(path).map_err(unreadable)?.len() > LARGEST {
        return Err(format!("is larger than {LARGEST} bytes"));
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn mistake(file: impl Into<String>, reason: impl Into<String>) -> TemplateMistake {
    TemplateMistake {
        file: file.into(),
        reason: reason.into(),
    }
}
