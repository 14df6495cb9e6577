//! No script is too odd, and no good one is called broken.
#![allow(clippy::unwrap_used)]

use kiln_dockerfile::parse;
use proptest::prelude::*;

use crate::subject::Surroundings;
use crate::{check, fix};

/// The names of the rules that find something, and where.
fn found(text: &str) -> Vec<(&'static str, String)> {
    let file = parse(text.as_bytes()).unwrap();
    let found = check(&file, &Surroundings::NONE, |r| {
        r.hadolint.iter().any(|n| n.starts_with("SC"))
    });
    let places = found
        .iter()
        .map(|f| (f.rule.id, file.source_of(f.span).to_owned()));
    places.collect()
}

fn finds(script: &str, rule: &str, place: &str) {
    let text = format!("FROM debian\nRUN {script}\n");
    let all = found(&text);
    let hit = all.iter().any(|(id, at)| *id == rule && at == place);
    assert!(hit, "{script}: {all:?}");
}

fn silent(script: &str) {
    let all = found(&format!("FROM debian\nRUN {script}\n"));
    assert!(all.is_empty(), "{script}: {all:?}");
}

#[test]
fn places_are_narrow() {
    finds("a && \\\n  egrep x y", "egrep", "egrep");
    finds("x=$(y) && rm a $x", "unquoted-variable", "$x");
    finds("rm $(y | z)", "unquoted-substitution", "$(y | z)");
    finds("echo \"${a}\"", "unassigned-variable", "${a}");
    finds("cd /x; y", "unchecked-cd", "cd /x");
    finds("[ \"$A\" == b ]", "sh-test-operators", "==");
    finds("mkdir -p a/{b,c}", "sh-brace-expansion", "{b,c}");
    finds("y; if [ $? -ne 0 ]; then z; fi", "exit-code-check", "$?");
    finds("true; sleep 1 &; y", "shell-syntax", ";");
    finds("if true; then; y; fi", "shell-syntax", ";");
}

#[test]
fn usual_scripts_are_right() {
    for script in [
        "apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/*",
        "set -eux; savedAptMark=\"$(apt-mark showmanual)\"; apt-mark auto '.*' > /dev/null; \
         [ -z \"$savedAptMark\" ] || apt-mark manual $savedAptMark",
        "find / -depth \\( -type d -a \\( -name test -o -name tests \\) \\) -exec rm -rf '{}' +",
        "arch=\"$(dpkg --print-architecture)\"; case \"${arch##*-}\" in amd64|x86_64) a=1;; *) exit 1;; esac; echo \"$a\"",
        "export GNUPGHOME; GNUPGHOME=\"$(mktemp -d)\" && gpg --batch x && rm -rf \"$GNUPGHOME\"",
        "echo 'deb [arch=amd64] https://x/ stable main' > /etc/apt/sources.list.d/x.list",
        "sed -i 's/^#\\s*\\(deb.*\\)$/\\1/' /etc/apt/sources.list",
        "awk '{print $1}' /etc/passwd | xargs -I{} echo {}",
        "(addgroup x || true) && adduser -D x",
        "test -f /a || { echo no >&2; exit 1; }",
        "f() { local a=\"$1\"; echo \"$a\"; }; f b",
        "python3 -c 'import os; print(os.environ[\"A\"])'",
        "curl -fsSL https://x | tar -xzC /usr/local --strip-components=1",
        "for i in 1 2 3; do echo $i; done",
        "if ! grep -q \"^x:\" /etc/passwd; then useradd x; fi",
        "x=a}b && echo \"$x\" {} }{",
        "echo \"${A:-b}\" \"$HOME\" $PATH \"$(uname -m)\"",
        "./configure --build=\"$(dpkg-architecture -qDEB_BUILD_GNU_TYPE)\" $([ -e /x ] && echo --with-x)",
        "make -j\"$(nproc)\" 2>&1 | tee /log",
        "groupadd --gid 1000 node \\\n  # a comment, isn't it\n  && useradd --uid 1000 node",
    ] {
        silent(script);
    }
}

#[test]
fn bash_is_understood() {
    for script in [
        "[[ $a =~ ^(x|y)+$ && ! -e /z ]] || exit 1",
        "shopt -s extglob; rm -rf !(a|b) @(c) +([0-9])",
        "for ((i = 0; i < 3; i++)); do ((x += i)) || true; done",
        "declare -A m=([a]=1 [b]=2); for k in \"${!m[@]}\"; do echo \"${m[$k]}\"; done",
        "while IFS=$'\\t' read -r a b; do echo \"${a^^} ${b//x/y}\"; done < <(cat /f)",
        "cat <<< \"x\" &> /dev/null |& tee y",
        "function f { select x in a b; do break; done; }; coproc f",
        "case $x in a) ;& b|c) ;;& (d) x;; esac; time { x; } 2>&1",
        "echo ${x:1:2} ${x@Q} ${#a[@]} $((2#101 + 16#ff)) $(<f)",
    ] {
        let text = format!("FROM a\nSHELL [\"/bin/bash\", \"-c\"]\nRUN {script}\n");
        let broken = found(&text)
            .into_iter()
            .find(|(id, _)| *id == "shell-syntax");
        assert_eq!(broken, None, "{script}");
    }
}

#[test]
fn corpus_has_no_broken_script() {
    let mut scripts = 0;
    for text in crate::fmt::tests::corpus() {
        if parse(text.as_bytes()).is_ok() {
            let broken = found(&text)
                .into_iter()
                .find(|(id, _)| *id == "shell-syntax");
            assert_eq!(broken, None, "{text}");
            scripts += text.matches("RUN ").count();
        }
    }
    assert!(scripts > 100, "{scripts}");
}

#[test]
fn long_and_deep_scripts() {
    let deep = 3000;
    for script in [
        "a && ".repeat(900) + "b",
        "a | ".repeat(900) + "b",
        "a && ".repeat(deep) + "b",
        "( ".repeat(deep) + "a" + &" )".repeat(deep),
        "echo ".to_owned() + &"$(a ".repeat(deep) + &")".repeat(deep),
        "echo ".to_owned() + &"\"$(a ".repeat(deep) + &")\"".repeat(deep),
        "echo ".to_owned() + &"${a:-".repeat(deep) + &"}".repeat(deep),
        "echo $((".to_owned() + &"(".repeat(deep) + "1" + &")".repeat(deep) + "))",
        "if a; then ".repeat(deep) + "b" + &"; fi".repeat(deep),
        "! ".repeat(deep) + "a",
    ] {
        let text = format!("FROM a\nRUN {script}\n");
        // The reader gives up on some; none of them is called wrong for that.
        let broken = found(&text)
            .into_iter()
            .find(|(id, _)| *id == "shell-syntax");
        assert_eq!(broken, None, "{}", script.get(..20).unwrap());
    }
    let many = "cat x | grep \"$y\" > z && a || b\n".repeat(5000);
    let all = found(&format!("FROM a\nRUN <<E\n{many}E\n"));
    assert!(all.len() >= 5000, "{}", all.len());
}

fn piece() -> impl Strategy<Value = String> {
    let fixed = [
        " ",
        " ",
        "\\\n ",
        "\n",
        ";",
        "&",
        "&&",
        "||",
        "|",
        "|&",
        "(",
        ")",
        "((",
        "))",
        "[[",
        "]]",
        "[",
        "]",
        "{",
        "}",
        "$",
        "${",
        "$(",
        "`",
        "'",
        "\"",
        "\\",
        "#",
        "=",
        "+=",
        "==",
        "~/",
        "*",
        "?",
        "<",
        ">",
        "2>&1",
        "<(",
        "<<<",
        "<<E",
        "\nE\n",
        "$x",
        "$@",
        "$?",
        "x",
        "y=",
        "é",
        "\u{a0}",
        "´",
        "if ",
        "then ",
        "fi ",
        "for ",
        "in ",
        "do ",
        "done ",
        "case ",
        "esac ",
        "while ",
        "function ",
        "cd a",
        "cat f",
        "echo -e ",
        "read ",
        "find . -name *.x",
        "egrep ",
        "export ",
        "local ",
        "printf ",
        "test ",
        "-a ",
        "0 ",
        "!",
        "{a,b}",
        "$'",
        "$((",
        "a[1]=",
        "@(a|b)",
        ";;",
    ];
    proptest::sample::select(fixed.map(str::to_owned).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_script_is_too_odd(pieces in proptest::collection::vec(piece(), 0..24), bash: bool, document: bool) {
        let script = pieces.concat();
        let shell = if bash { "SHELL [\"bash\", \"-c\"]\n" } else { "" };
        let text = match document {
            true => format!("FROM a\n{shell}RUN <<END\n{script}\nEND\n"),
            false => format!("FROM a\n{shell}RUN {script}\n"),
        };
        if parse(text.as_bytes()).is_ok() {
            found(&text);
            let fixed = fix(&text, &Surroundings::NONE, |_| true, |_, _| true);
            prop_assert!(parse(fixed.text.as_bytes()).is_ok(), "{}", fixed.text);
            let again = fix(&fixed.text, &Surroundings::NONE, |_| true, |_, _| true);
            prop_assert_eq!(again.text, fixed.text);
        }
    }
}
