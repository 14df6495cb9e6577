//! What files are left over, by their paths.

/// One sort of leftovers.
pub(crate) struct Rule {
    pub id: &'static str,
    pub title: &'static str,
    pub advice: &'static str,
    pub minor: bool,
    matches: Matches,
}

enum Matches {
    /// Below one of these directories; a last component may end in `*`.
    Below(&'static [&'static str]),
    /// Below a directory of one of these names, wherever it is.
    BelowAny(&'static [&'static str]),
    /// One of these files of a directory for programs.
    Program(&'static [&'static str]),
    /// The name ends so.
    Suffix(&'static [&'static str]),
    /// Named as the kernel names memory dumps; whether it is one is looked up.
    Core,
}

/// The rule for core dumps, whose files are looked into.
pub(crate) const CORE: &str = "core-dumps";

const PROGRAMS: [&str; 4] = ["bin/", "usr/bin/", "usr/local/bin/", "usr/sbin/"];

/// The first that matches counts.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        id: "apt-lists",
        title: "APT package lists",
        advice: "end the RUN that calls apt-get update with: rm -rf /var/lib/apt/lists/*",
        minor: false,
        matches: Matches::Below(&["var/lib/apt/lists"]),
    },
    Rule {
        id: "package-cache",
        title: "package manager caches",
        advice: "clean in the same RUN (apt-get clean, dnf clean all, apk add --no-cache)",
        minor: false,
        matches: Matches::Below(&[
            "var/cache/apt",
            "var/cache/apk",
            "etc/apk/cache",
            "var/cache/yum",
            "var/cache/dnf",
            "var/cache/libdnf5",
            "var/cache/zypp",
            "var/cache/pacman",
        ]),
    },
    Rule {
        id: "language-cache",
        title: "caches of language package managers",
        advice: "don't keep them: pip --no-cache-dir, npm cache clean --force; or build in a \
                 stage of its own",
        minor: false,
        matches: Matches::BelowAny(&[
            ".cache",
            ".npm/_cacache",
            ".npm/_logs",
            ".yarn/cache",
            ".cargo/registry",
            ".cargo/git",
            "cargo/registry",
            "cargo/git",
            "go/pkg/mod",
            ".gradle/caches",
            ".m2/repository",
            ".bundle/cache",
            ".composer/cache",
        ]),
    },
    Rule {
        id: "temporary",
        title: "temporary files",
        advice: "remove them in the RUN that makes them, or make them on a tmpfs",
        minor: false,
        matches: Matches::Below(&["tmp", "var/tmp"]),
    },
    Rule {
        id: "logs",
        title: "log files",
        advice: "remove them in the RUN that writes them",
        minor: false,
        matches: Matches::Below(&["var/log"]),
    },
    Rule {
        id: "git",
        title: "git repositories",
        advice: "name .git in .dockerignore; clone with --depth 1 in a stage of its own",
        minor: false,
        matches: Matches::BelowAny(&[".git", ".hg", ".svn"]),
    },
    Rule {
        id: CORE,
        title: "core dumps",
        advice: "a program crashed during the build; find out why, and remove the dump",
        minor: false,
        matches: Matches::Core,
    },
    Rule {
        id: "compilers",
        title: "compilers and build tools",
        advice: "build in one stage and COPY --from it only what runs",
        minor: false,
        matches: Matches::Below(&[
            "usr/lib/gcc",
            "usr/libexec/gcc",
            "usr/local/go",
            "usr/lib/go*",
            "usr/share/go*",
            "usr/lib/llvm*",
            "usr/lib/rustlib",
            "usr/local/rustup",
            "root/.rustup",
            "usr/share/cmake*",
            "usr/share/automake*",
            "usr/share/autoconf*",
        ]),
    },
    Rule {
        id: "compilers",
        title: "",
        advice: "",
        minor: false,
        matches: Matches::Program(&[
            "gcc*",
            "g++*",
            "cpp*",
            "clang*",
            "cc",
            "c++",
            "ld.bfd",
            "ld.gold",
            "ld",
            "as",
            "make",
            "cmake",
            "ninja",
            "go",
            "gofmt",
            "rustc",
            "cargo",
            "*-linux-gnu-*",
            "*-linux-musl-*",
            "autoconf",
            "automake*",
            "m4",
            "bison",
            "flex",
            "meson",
        ]),
    },
    Rule {
        id: "headers",
        title: "headers and static libraries",
        advice: "-dev packages are for building: build in a stage of its own",
        minor: false,
        matches: Matches::Below(&["usr/include", "usr/local/include"]),
    },
    Rule {
        id: "headers",
        title: "",
        advice: "",
        minor: false,
        matches: Matches::Suffix(&[".a", ".o", ".la"]),
    },
    Rule {
        id: "bytecode",
        title: "compiled Python",
        advice: "set PYTHONDONTWRITEBYTECODE=1 where programs needn't start fast",
        minor: true,
        matches: Matches::Suffix(&[".pyc", ".pyo"]),
    },
    Rule {
        id: "documentation",
        title: "manuals and documentation",
        advice: "leave them out: path-exclude of dpkg, tsflags=nodocs of dnf",
        minor: true,
        matches: Matches::Below(&[
            "usr/share/man",
            "usr/local/share/man",
            "usr/share/doc",
            "usr/share/info",
            "usr/share/gtk-doc",
        ]),
    },
    Rule {
        id: "translations",
        title: "translations",
        advice: "leave out what nobody reads: path-exclude=/usr/share/locale/* of dpkg",
        minor: true,
        matches: Matches::Below(&["usr/share/locale", "usr/share/i18n"]),
    },
];

impl Rule {
    /// Of a path that matches the part that is reported: the directory the rule names, or the file.
    pub fn part<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        match self.matches {
            Matches::Below(dirs) => dirs.iter().find_map(|d| below(path, d)),
            Matches::BelowAny(dirs) => dirs.iter().find_map(|d| below_any(path, d)),
            Matches::Program(names) => {
                let dir = PROGRAMS.iter().find(|d| path.starts_with(d.as_bytes()))?;
                let name = path.get(dir.len()..)?;
                names.iter().any(|n| fits(name, n)).then_some(path)
            }
            Matches::Suffix(suffixes) => {
                let ends = |s: &&str| path.ends_with(s.as_bytes());
                // The directory: files by the thousand make no good list.
                let dir = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
                suffixes.iter().any(ends).then(|| path.get(..dir))?
            }
            Matches::Core => {
                let name = path.rsplit(|b| *b == b'/').next()?;
                let rest = name.strip_prefix(b"core")?;
                let number = rest.strip_prefix(b".").unwrap_or(rest);
                number.iter().all(u8::is_ascii_digit).then_some(path)
            }
        }
    }
}

fn below<'a>(path: &'a [u8], dir: &str) -> Option<&'a [u8]> {
    let depth = dir.split('/').count();
    // The end of the path's component that matches the directory's last.
    let mut ends = (0..path.len()).filter(|i| path.get(*i) == Some(&b'/'));
    let end = ends.nth(depth - 1)?;
    let part = path.get(..end)?;
    fits(part, dir).then_some(part)
}

fn below_any<'a>(path: &'a [u8], dir: &str) -> Option<&'a [u8]> {
    let dir = dir.as_bytes();
    let starts =
        std::iter::once(0).chain((1..path.len()).filter(|i| path.get(i - 1) == Some(&b'/')));
    for start in starts {
        let rest = path.get(start..)?;
        if rest.starts_with(dir) && rest.get(dir.len()) == Some(&b'/') {
            return path.get(..start + dir.len());
        }
    }
    None
}

/// Whether a text is the pattern's, which may begin and end in `*`.
fn fits(text: &[u8], pattern: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (None, None) => text == pattern.as_bytes(),
        (None, Some(start)) => text.starts_with(start.as_bytes()),
        (Some(end), None) => text.ends_with(end.as_bytes()),
        (Some(middle), Some(_)) => {
            let middle = middle.strip_suffix('*').unwrap_or(middle).as_bytes();
            text.windows(middle.len()).any(|w| w == middle)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RULES;

    fn of(path: &str) -> Option<(&'static str, String)> {
        RULES.iter().find_map(|r| {
            let part = r.part(path.as_bytes())?;
            Some((r.id, String::from_utf8_lossy(part).into_owned()))
        })
    }

    #[test]
    fn paths_find_their_rule() {
        let table = [
            (
                "var/lib/apt/lists/a_Packages",
                "apt-lists",
                "var/lib/apt/lists",
            ),
            (
                "var/cache/apt/archives/x.deb",
                "package-cache",
                "var/cache/apt",
            ),
            ("root/.cache/pip/http/a", "language-cache", "root/.cache"),
            (
                "root/.npm/_cacache/x",
                "language-cache",
                "root/.npm/_cacache",
            ),
            (
                "usr/local/cargo/registry/x",
                "language-cache",
                "usr/local/cargo/registry",
            ),
            ("tmp/x", "temporary", "tmp"),
            ("tmp/.git/HEAD", "temporary", "tmp"),
            ("app/.git/objects/ab/cd", "git", "app/.git"),
            (
                "usr/lib/gcc/x86_64-linux-gnu/12/cc1",
                "compilers",
                "usr/lib/gcc",
            ),
            ("usr/lib/go-1.19/bin/go", "compilers", "usr/lib/go-1.19"),
            (
                "usr/bin/x86_64-linux-gnu-gcc-12",
                "compilers",
                "usr/bin/x86_64-linux-gnu-gcc-12",
            ),
            ("usr/bin/make", "compilers", "usr/bin/make"),
            ("usr/include/stdio.h", "headers", "usr/include"),
            ("usr/lib/libc.a", "headers", "usr/lib"),
            ("app/__pycache__/a.pyc", "bytecode", "app/__pycache__"),
            ("core.12", "core-dumps", "core.12"),
            (
                "usr/share/man/man1/ls.1.gz",
                "documentation",
                "usr/share/man",
            ),
        ];
        for (path, id, part) in table {
            assert_eq!(of(path), Some((id, part.to_owned())), "{path}");
        }
        for path in [
            "tmp",
            "var/lib/apt/listsx/a",
            "app/.gitignore",
            "usr/bin/makefile",
            "usr/share/corepack/core.js",
            "usr/bin/assay",
            "",
        ] {
            assert_eq!(of(path), None, "{path}");
        }
    }
}
