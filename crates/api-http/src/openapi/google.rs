//! Google's own paths: the handlers of `/auth/providers/{name}`, with `google` as the name.

use utoipa::openapi::{Paths, RefOr, path::Operation};

/// A path for Google, the generic path, and the ids of its operations: of `POST` and of `DELETE`.
const PATHS: [(&str, &str, &str, Option<&str>); 6] = [
    (
        "/api/v1/auth/google/options",
        "/api/v1/auth/providers/{name}/options",
        "google_options",
        None,
    ),
    (
        "/api/v1/auth/google",
        "/api/v1/auth/providers/{name}",
        "sign_in_with_google",
        None,
    ),
    (
        "/api/v1/auth/google/authorize",
        "/api/v1/auth/providers/{name}/authorize",
        "google_authorize",
        None,
    ),
    (
        "/api/v1/auth/google/callback",
        "/api/v1/auth/providers/{name}/callback",
        "google_callback",
        None,
    ),
    (
        "/api/v1/me/google/options",
        "/api/v1/me/providers/{name}/options",
        "link_google_options",
        None,
    ),
    (
        "/api/v1/me/google",
        "/api/v1/me/providers/{name}",
        "link_google",
        Some("unlink_google"),
    ),
];

/// Adds these paths to the document.
pub(super) fn add(paths: &mut Paths) {
    for (path, stands_for, post, delete) in PATHS {
        let Some(mut item) = paths.paths.get(stands_for).cloned() else {
            continue;
        };
        let ids = [
            (item.post.as_mut(), Some(post)),
            (item.delete.as_mut(), delete),
        ];
        for (operation, id) in ids {
            if let (Some(operation), Some(id)) = (operation, id) {
                become_googles(operation, id, stands_for);
            }
        }
        paths.paths.insert(path.to_owned(), item);
    }
}

fn become_googles(operation: &mut Operation, id: &str, stands_for: &str) {
    operation.operation_id = Some(id.to_owned());
    let told = operation.description.take().unwrap_or_default();
    let same = format!("The same as `{stands_for}`, with `google` as the name.");
    operation.description = Some(format!("{same}\n\n{told}").trim_end().to_owned());
    if let Some(parameters) = &mut operation.parameters {
        parameters.retain(|it| !matches!(it, RefOr::T(it) if it.name == "name"));
    }
    for tag in operation.tags.iter_mut().flatten() {
        if tag == "providers" {
            "google".clone_into(tag);
        }
    }
}
