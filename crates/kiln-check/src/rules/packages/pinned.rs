//! Whether the name a package manager is given says which version.

/// `curl=7.88.1-10`, `curl/bookworm`, `./curl.deb`; `curl-` takes a package away.
pub fn apt(package: &str) -> bool {
    package.contains(['=', '/']) || package.ends_with(".deb") || package.ends_with('-')
}

/// `git=2.45.2-r0`, `git~2.45`, `git>2`, `./x.apk`; `!git` keeps a package away.
pub fn apk(package: &str) -> bool {
    package.contains(['=', '~', '<', '>']) || package.ends_with(".apk") || package.starts_with('!')
}

/// `httpd-2.4.57`, `gcc-c++-11.4.1`, a file or URL; `@tools` is a group, which has no version.
pub fn rpm(package: &str) -> bool {
    if package.ends_with(".rpm") || package.contains('/') || package.starts_with('@') {
        return true;
    }
    let mut behind = package.split('-').skip(1).peekable();
    let fits = |c: char| c.is_ascii_alphanumeric() || ".~^_:+*".contains(c);
    let digit = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    let parts: Vec<&str> = match behind.peek() {
        Some(_) => behind.collect(),
        None => return false,
    };
    parts.iter().all(|p| p.chars().all(fits)) && parts.iter().any(|p| digit(p))
}

/// `nodejs:20`
pub fn module(name: &str) -> bool {
    name.contains(':')
}

/// `curl=8.0`, `curl>=8`, a file or URL.
pub fn zypper(package: &str) -> bool {
    package.contains(['=', '<', '>', '/']) || package.ends_with(".rpm")
}

/// `flask==3.0`, `'flask<4'`, a file, a directory, a URL; of a repository `@` and a revision.
pub fn pip(package: &str) -> bool {
    const KINDS: [&str; 4] = ["git", "hg", "svn", "bzr"];
    let scheme = package.split(':').next().unwrap_or_default();
    let repository =
        package.contains(':') && KINDS.contains(&scheme.split('+').next().unwrap_or(""));
    if repository {
        let path = package.rsplit("://").next().unwrap_or_default();
        // What stands before an `@` in the host's part is a user.
        return path.split_once('/').is_some_and(|(_, p)| p.contains('@'));
    }
    package.contains(['=', '<', '>', '~', '/'])
        || package.contains("!=")
        || package == "."
        || [".whl", ".tar.gz", ".zip"]
            .iter()
            .any(|s| package.ends_with(s))
}

/// `express@4`, `@scope/name@1`, a file, a directory, a URL; of a repository `#` and a revision.
pub fn npm(package: &str) -> bool {
    const PATHS: [&str; 7] = ["/", "./", "../", "~/", "file:", "http://", "https://"];
    if package == "." || package == ".." || PATHS.iter().any(|p| package.starts_with(p)) {
        return true;
    }
    if [".tar", ".tar.gz", ".tgz"]
        .iter()
        .any(|s| package.ends_with(s))
    {
        return true;
    }
    let scoped = package.strip_prefix('@').and_then(|p| p.split_once('/'));
    match scoped {
        Some((_, name)) => name.contains('@'),
        None if package.contains("://") || package.contains('/') => package.contains('#'),
        None => package.contains('@'),
    }
}

/// `rails:7.1`, `./rails.gem`
pub fn gem(package: &str) -> bool {
    package.contains(':') || package.ends_with(".gem")
}

/// `example.com/x@v1.2.3`, a directory, a file. A path whose first part has no dot is of the module
/// itself or of Go's own library: it isn't fetched.
pub fn go(package: &str) -> bool {
    const FLOATING: [&str; 4] = ["latest", "none", "upgrade", "patch"];
    match package.split_once('@') {
        Some((_, version)) => !FLOATING.contains(&version),
        None => {
            let first = package.split('/').next().unwrap_or_default();
            first.is_empty()
                || first.starts_with('.')
                || !first.contains('.')
                || package.ends_with(".go")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pinned: fn(&str) -> bool, yes: &[&str], no: &[&str]) {
        for name in yes {
            assert!(pinned(name), "{name}");
        }
        for name in no {
            assert!(!pinned(name), "{name}");
        }
    }

    #[test]
    fn versions() {
        all(apt, &["a=1", "a/sid", "./a.deb", "a-"], &["a", "a-b"]);
        all(apk, &["a=1", "a~1", "a>1", "a.apk"], &["a", "a@edge"]);
        all(
            rpm,
            &[
                "a-1",
                "a-b-1.2",
                "gcc-c++-1.1",
                "ssl-1:1.1.1k",
                "a.rpm",
                "@tools",
                "https://x/a",
            ],
            &["a", "a-b", "a-b-c"],
        );
        all(
            pip,
            &[
                "a==1",
                "a~=1",
                "a!=1",
                "a<2",
                "./a",
                "a.whl",
                "git+https://h/r@v1",
                "git+ssh://u@h/r@v",
            ],
            &["a", "a[b]", "git+https://h/r#egg=a", "git+ssh://u@h/r"],
        );
        all(
            npm,
            &[
                "a@1",
                "@s/a@1",
                "./a",
                "a.tgz",
                "git://h/r#v1",
                "u/r#v1",
                "~/a",
            ],
            &["a", "@s/a", "git+https://u@h/r", "u/r"],
        );
        all(
            go,
            &["h.com/a@v1", ".", "./a", "/a", "main.go", "cmd/a", "tool"],
            &["h.com/a", "h.com/a@latest"],
        );
    }
}
