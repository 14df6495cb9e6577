//! The cases of BuildKit's own tests of its build checks (`dockerfile_lint_test.go`): what it warns
//! of, and in which line. Where Kiln differs, the case says so; docs/buildkit-checks.md says why.
#![allow(clippy::unwrap_used)]

use kiln_check::{
    Config, ContextFacts, ContextFile, ImageFacts, Images, RULES, Surroundings, rule, run,
};
use kiln_dockerfile::{Ignore, parse};

/// A Dockerfile, and BuildKit's warnings.
struct Case {
    text: &'static str,
    ignore: Option<&'static str>,
    want: &'static [(&'static str, u32)],
    /// What Kiln says instead, where it means to differ.
    kiln: Option<&'static [(&'static str, u32)]>,
}

const fn case(text: &'static str, want: &'static [(&'static str, u32)]) -> Case {
    Case {
        text,
        ignore: None,
        want,
        kiln: None,
    }
}

const fn ignoring(
    ignore: &'static str,
    text: &'static str,
    want: &'static [(&'static str, u32)],
) -> Case {
    Case {
        text,
        ignore: Some(ignore),
        want,
        kiln: None,
    }
}

const fn differs(
    text: &'static str,
    want: &'static [(&'static str, u32)],
    kiln: &'static [(&'static str, u32)],
) -> Case {
    Case {
        text,
        ignore: None,
        want,
        kiln: Some(kiln),
    }
}

const CASING: &str = "ConsistentInstructionCasing";
const DESCRIPTION: &str = "InvalidDefinitionDescription";
const SECRETS: &str = "SecretsUsedInArgOrEnv";
const MULTIPLE: &str = "MultipleInstructionsDisallowed";

const CASES: &[Case] = &[
    // Descriptions.
    case(
        "# check=experimental=InvalidDefinitionDescription\n# foo this is the foo\nARG foo=bar\n\n# base this is the base image\nFROM scratch AS base\n\n# version this is the version number\nARG version=latest\n\n# baz this is the baz\nARG foo=baz bar=qux baz=quux\n#\nARG bit=bat\n\n# comment for something other than ARG or FROM\nCOPY Dockerfile .\n",
        &[],
    ),
    case(
        "# check=experimental=InvalidDefinitionDescription\n# bar this is the bar\nARG foo=bar\n# BasE this is the BasE image\nFROM scratch AS base\n# definitely a bad comment\nARG version=latest\n# definitely a bad comment\nARG foo=baz bar=qux baz=quux\n",
        &[
            (DESCRIPTION, 3),
            (DESCRIPTION, 5),
            (DESCRIPTION, 7),
            (DESCRIPTION, 9),
        ],
    ),
    // Ignored files.
    ignoring(
        "\nDockerfile\n",
        "\nFROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy\n",
        &[("CopyIgnoredFile", 3), ("CopyIgnoredFile", 4)],
    ),
    ignoring(
        "\nDockerfile\n",
        "# check=skip=CopyIgnoredFile\n\nFROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy\n",
        &[],
    ),
    ignoring(
        "\nfoobar\n",
        "\nFROM scratch AS base\nCOPY Dockerfile /foobar\nADD Dockerfile /windy\n\nFROM base\nCOPY --from=base /foobar /Dockerfile\n",
        &[],
    ),
    ignoring(
        "\n**\n!Dockerfile\n",
        "\nFROM scratch\nCOPY ./Dockerfile .\n",
        &[],
    ),
    ignoring("\n**\n!Dockerfile\n", "\nFROM scratch\nCOPY . .\n\t", &[]),
    // Secrets.
    case(
        "\nFROM scratch\nARG SECRET_PASSPHRASE\nENV SUPER_Secret=foo\nENV password=bar secret=baz\nARG super_duper_secret_token=foo auth=bar\nENV apikey=bar sunflower=foo\nENV git_key=\nENV PUBLIC_KEY=\nARG public_token\nARG SECRET_PASSPHRASE_FILE\nENV password_file=bar secret_File=baz\nARG AUTH_MODULE_VERSION\n# check=skip=SecretsUsedInArgOrEnv // allow secret in environment\nENV password=bar\n# check=skip=SecretsUsedInArgOrEnv // allow secret in arg\nARG password\n# check=skip=all // is local to only this instruction\nENV alternate_password=bar\n# check=skip=all // is local to only this instruction\nARG alternate_password\n",
        &[
            (SECRETS, 3),
            (SECRETS, 4),
            (SECRETS, 5),
            (SECRETS, 5),
            (SECRETS, 6),
            (SECRETS, 6),
            (SECRETS, 7),
            (SECRETS, 8),
        ],
    ),
    // Stages that nothing needs are looked at too.
    case(
        "\nFROM scratch AS first\nCOPY $foo .\n\nFROM scratch AS second\nCOPY $bar .\n",
        &[("UndefinedVar", 3), ("UndefinedVar", 6)],
    ),
    // `# check=`.
    case(
        "#check=skip=all\nFROM scratch as base\ncopy Dockerfile .\n",
        &[],
    ),
    case(
        "#check=skip=all;error=true\nFROM scratch as base\ncopy Dockerfile .\n",
        &[],
    ),
    case(
        "#check=skip=ConsistentInstructionCasing,FromAsCasing\nFROM scratch as base\ncopy Dockerfile .\n",
        &[],
    ),
    case(
        "#check=skip=ConsistentInstructionCasing;error=true\nFROM scratch as base\ncopy Dockerfile .\n",
        &[("FromAsCasing", 2)],
    ),
    // Stage names.
    case(
        "\n# warning: stage name should be lowercase\n#\nFROM scratch AS BadStageName\n\n# warning: 'as' should match 'FROM' cmd casing.\n#\nFROM scratch as base2\n\nFROM scratch AS base3\n",
        &[("StageNameCasing", 4), ("FromAsCasing", 8)],
    ),
    differs(
        "\n# warning: 'AS' should match 'from' cmd casing.\n#\nfrom scratch AS base\n\nfrom scratch as base2\n",
        &[("FromAsCasing", 4)],
        &[(CASING, 4), ("FromAsCasing", 4), (CASING, 6)],
    ),
    // Empty lines: Kiln points at the line, BuildKit at the instruction's last.
    differs(
        "\nFROM scratch\n# warning: empty continuation line\nCOPY Dockerfile \\\n\n.\nCOPY Dockerfile \\\n.\n",
        &[("NoEmptyContinuation", 6)],
        &[("NoEmptyContinuation", 5)],
    ),
    // Casing: BuildKit goes by the majority, Kiln asks for capitals.
    case(
        "\n# warning\n#\nFrom scratch as base\nFROM scratch AS base2\n",
        &[(CASING, 4)],
    ),
    case(
        "\nFROM scratch\n# warning\ncopy Dockerfile /foo\nCOPY Dockerfile /bar\n",
        &[(CASING, 4)],
    ),
    differs(
        "\n# warning\n#\nfrOM scratch as base\nfrom scratch as base2\n",
        &[(CASING, 4)],
        &[(CASING, 4), (CASING, 5)],
    ),
    differs(
        "\nfrom scratch\n# warning\nCOPY Dockerfile /foo\ncopy Dockerfile /bar\n",
        &[(CASING, 4)],
        &[(CASING, 2), (CASING, 5)],
    ),
    case(
        "\n# warning\n#\nfrom scratch\nCOPY Dockerfile /foo\nCOPY Dockerfile /bar\nCOPY Dockerfile /baz\n",
        &[(CASING, 4)],
    ),
    differs(
        "\n# warning\n#\nFROM scratch\ncopy Dockerfile /foo\ncopy Dockerfile /bar\ncopy Dockerfile /baz\n",
        &[(CASING, 4)],
        &[(CASING, 5), (CASING, 6), (CASING, 7)],
    ),
    differs(
        "\nfrom scratch\ncopy Dockerfile /foo\ncopy Dockerfile /bar\n",
        &[],
        &[(CASING, 2), (CASING, 3), (CASING, 4)],
    ),
    case(
        "\nFROM scratch\nCOPY Dockerfile /foo\nCOPY Dockerfile /bar\n",
        &[],
    ),
    case("\nFROM alpine\nRUN <<'EOT'\nenv\nEOT\n", &[]),
    // Names of stages.
    case(
        "\nFROM scratch AS b\nFROM scratch AS b\n",
        &[("DuplicateStageName", 3)],
    ),
    case("\nFROM scratch AS b1\nFROM scratch AS b2\n", &[]),
    case(
        "\nFROM scratch AS scratch\nFROM scratch AS context\n",
        &[("ReservedStageName", 2), ("ReservedStageName", 3)],
    ),
    case("\nFROM scratch\nFROM scratch AS a\n", &[]),
    // MAINTAINER.
    case(
        "\nFROM scratch\nMAINTAINER me@example.org\n",
        &[("MaintainerDeprecated", 3)],
    ),
    case(
        "\nFROM scratch\nLABEL org.opencontainers.image.authors=\"me@example.org\"\n",
        &[],
    ),
    case(
        "\nFROM scratch\n# check=skip=MaintainerDeprecated\nMAINTAINER me@example.org\n",
        &[],
    ),
    // Variables in FROM.
    case("\nARG base=scratch\nFROM $base\nCOPY Dockerfile .\n", &[]),
    case(
        "\nARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM scratch\nCOPY Dockerfile .\n",
        &[],
    ),
    case(
        "\nFROM --platform=$BUILDPLATFORM scratch\nCOPY Dockerfile .\n",
        &[],
    ),
    case(
        "\nARG DEBUG\nFROM scratch${DEBUG}\nCOPY Dockerfile .\n",
        &[],
    ),
    case(
        "\nARG DEBUG\nFROM scra${DEBUG:-tch}\nCOPY Dockerfile .\n",
        &[],
    ),
    case(
        "\nARG DEBUG=\"\"\nFROM scratch${DEBUG-@bogus}\nCOPY Dockerfile .\n",
        &[],
    ),
    case(
        "\nFROM --platform=$BULIDPLATFORM scratch\nCOPY Dockerfile .\n",
        &[("UndefinedArgInFrom", 2)],
    ),
    case(
        "\nARG MY_OS=linux\nARG MY_ARCH=amd64\nFROM --platform=linux/${MYARCH} busybox\nCOPY Dockerfile .\n\t",
        &[("UndefinedArgInFrom", 4)],
    ),
    case(
        "\nARG tag=latest\nFROM busybox:${tag}${version} AS b\nCOPY Dockerfile .\n",
        &[("UndefinedArgInFrom", 3)],
    ),
    // WORKDIR.
    case(
        "\nFROM scratch\nWORKDIR app/\n",
        &[("WorkdirRelativePath", 3)],
    ),
    case(
        "\nFROM scratch AS a\nWORKDIR /app\n\nFROM a AS b\nWORKDIR subdir/\n",
        &[],
    ),
    case(
        "\nFROM scratch\n# check=skip=WorkdirRelativePath\nWORKDIR app/\n",
        &[],
    ),
    // Variables.
    case("\nFROM scratch\nARG foo\nCOPY Dockerfile${foo} .\n", &[]),
    case(
        "\nFROM alpine AS base\nARG foo=Dockerfile\n\nFROM base\nCOPY $foo .\n",
        &[],
    ),
    case("\nFROM alpine\nRUN echo $PATH\n", &[]),
    case(
        "\nFROM alpine\nCOPY $foo .\nARG foo=bar\nRUN echo $foo\n",
        &[("UndefinedVar", 3)],
    ),
    case(
        "\nFROM alpine\nARG DIR_BINARIES=binaries/\nARG DIR_ASSETS=assets/\nARG DIR_CONFIG=config/\nCOPY $DIR_ASSET .\n\t",
        &[("UndefinedVar", 6)],
    ),
    case(
        "\nFROM alpine\nENV PATH=$PAHT:/tmp/bin\n\t\t",
        &[("UndefinedVar", 3)],
    ),
    // Once a stage.
    case(
        "\nFROM scratch\nENTRYPOINT [\"/myapp\"]\nENTRYPOINT [\"/myotherapp\"]\nCMD [\"/myapp\"]\nCMD [\"/myotherapp\"]\nHEALTHCHECK CMD [\"/myapp\"]\nHEALTHCHECK CMD [\"/myotherapp\"]\n",
        &[(MULTIPLE, 3), (MULTIPLE, 5), (MULTIPLE, 7)],
    ),
    case(
        "\nFROM scratch\nENTRYPOINT [\"/myapp\"]\nCMD [\"/myapp\"]\nHEALTHCHECK CMD [\"/myapp\"]\nCOPY <<EOF /a.txt\nHello, World!\nEOF\nENTRYPOINT [\"/myotherapp\"]\nCMD [\"/myotherapp\"]\nHEALTHCHECK CMD [\"/myotherapp\"]\n",
        &[(MULTIPLE, 3), (MULTIPLE, 4), (MULTIPLE, 5)],
    ),
    case(
        "\nFROM scratch AS a\nENTRYPOINT [\"/myapp\"]\nCMD [\"/myapp\"]\nHEALTHCHECK CMD [\"/myapp\"]\n\nFROM a AS b\nENTRYPOINT [\"/myotherapp\"]\nCMD [\"/myotherapp\"]\nHEALTHCHECK CMD [\"/myotherapp\"]\n",
        &[],
    ),
    // Platforms.
    case(
        "\nFROM --platform=$TARGETPLATFORM scratch\n",
        &[("RedundantTargetPlatform", 2)],
    ),
    case(
        "\nFROM --platform=${TARGETPLATFORM} scratch\n",
        &[("RedundantTargetPlatform", 2)],
    ),
    case(
        "\nFROM --platform=linux/amd64 scratch\n",
        &[("FromPlatformFlagConstDisallowed", 2)],
    ),
    case(
        "\nFROM --platform=linux/amd64 scratch AS my_amd64_stage\n",
        &[],
    ),
    case("\nFROM --platform=linux/amd64 scratch AS linux\n", &[]),
    case(
        "\n# check=skip=RedundantTargetPlatform\nFROM --platform=$TARGETPLATFORM scratch\n",
        &[],
    ),
    // Defaults.
    case(
        "\nARG VERSION\nFROM busybox:$VERSION\n",
        &[("InvalidDefaultArgInFrom", 3)],
    ),
    case(
        "\nARG IMAGE\nFROM $IMAGE\n",
        &[("InvalidDefaultArgInFrom", 3)],
    ),
    case(
        "\nARG SFX=\"box:\"\nFROM busy${SFX}\n",
        &[("InvalidDefaultArgInFrom", 3)],
    ),
    case("\nARG VERSION=\"latest\"\nFROM busybox:${VERSION}\n", &[]),
    case(
        "\nARG BUSYBOX_VARIANT=\"\"\nFROM busybox:stable${BUSYBOX_VARIANT}\n",
        &[],
    ),
    case(
        "\n\tARG BUSYBOX_VARIANT\n\tFROM busybox:stable${BUSYBOX_VARIANT}\n\t",
        &[],
    ),
    // Ports.
    case(
        "\nFROM scratch\nEXPOSE 80/TcP 8080/TCP 8080/udp\n",
        &[("ExposeProtoCasing", 3), ("ExposeProtoCasing", 3)],
    ),
    case(
        "\nFROM scratch\nEXPOSE 127.0.0.1:80:80 [::1]:8080:8080 5000:5000 8000\n",
        &[
            ("ExposeInvalidFormat", 3),
            ("ExposeInvalidFormat", 3),
            ("ExposeInvalidFormat", 3),
        ],
    ),
    // JSON and key=value, those that are here.
    case(
        "\nFROM scratch\nCMD mycommand\n",
        &[("JSONArgsRecommended", 3)],
    ),
    case(
        "\nFROM scratch\nENTRYPOINT mycommand\n",
        &[("JSONArgsRecommended", 3)],
    ),
    case(
        "\nFROM scratch\nSHELL [\"/usr/bin/customshell\"]\nCMD mycommand\n",
        &[],
    ),
    case(
        "\nFROM scratch\nSHELL [\"/usr/bin/customshell\"]\nENTRYPOINT mycommand\n",
        &[],
    ),
    case(
        "\nFROM scratch AS base\nSHELL [\"/usr/bin/customshell\"]\n\nFROM base\nCMD mycommand\n",
        &[],
    ),
    case(
        "\nFROM scratch\nENV testkey value\nLABEL key value\n",
        &[("LegacyKeyValueFormat", 3), ("LegacyKeyValueFormat", 4)],
    ),
    case("\nFROM scratch\nENV testkey=value\nLABEL key=value\n", &[]),
];

/// All BuildKit's checks, as its ruleset has them.
const CHECKS: [&str; 22] = [
    "StageNameCasing",
    "FromAsCasing",
    "NoEmptyContinuation",
    "ConsistentInstructionCasing",
    "DuplicateStageName",
    "ReservedStageName",
    "JSONArgsRecommended",
    "MaintainerDeprecated",
    "UndefinedArgInFrom",
    "WorkdirRelativePath",
    "UndefinedVar",
    "MultipleInstructionsDisallowed",
    "LegacyKeyValueFormat",
    "InvalidBaseImagePlatform",
    "RedundantTargetPlatform",
    "SecretsUsedInArgOrEnv",
    "InvalidDefaultArgInFrom",
    "FromPlatformFlagConstDisallowed",
    "CopyIgnoredFile",
    "InvalidDefinitionDescription",
    "ExposeProtoCasing",
    "ExposeInvalidFormat",
];

/// The images of the cases, which BuildKit's tests pull.
struct Pulled;

impl Images for Pulled {
    fn image(&self, name: &str) -> Option<ImageFacts> {
        ["alpine", "busybox"]
            .contains(&name)
            .then(ImageFacts::default)
    }
}

fn found(case: &Case) -> Vec<(String, u32)> {
    let file = parse(case.text.as_bytes()).unwrap();
    let ignore = case
        .ignore
        .map(|text| (".dockerignore".to_owned(), text.to_owned()));
    let context = ContextFacts {
        files: vec![ContextFile {
            path: "Dockerfile".to_owned(),
            bytes: 100,
            dir: false,
            ignored: case
                .ignore
                .is_some_and(|i| Ignore::parse(i).unwrap().excluded("Dockerfile")),
            mode: None,
        }],
        ignore,
    };
    let around = Surroundings {
        context: Some(&context),
        images: &Pulled,
        ..Surroundings::NONE
    };
    let mut config = Config::default();
    let names = RULES.iter().filter_map(|r| r.buildkit.first());
    // As in BuildKit, the experimental one runs only where a file asks for it.
    let asked = case
        .text
        .contains("experimental=InvalidDefinitionDescription");
    let names = names.filter(|n| **n != DESCRIPTION || asked);
    let names: Vec<String> = names.map(|n| (*n).to_owned()).collect();
    config.only(&names).unwrap();
    let found = run(&file, &around, &config);
    let mut found: Vec<(String, u32)> = found
        .iter()
        .map(|f| (f.rule.buildkit[0].to_owned(), f.span.start.line))
        .collect();
    found.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
    found
}

#[test]
fn kiln_warns_of_what_buildkit_warns_of() {
    for case in CASES {
        let want = case.kiln.unwrap_or(case.want);
        let mut want: Vec<(String, u32)> = want
            .iter()
            .filter(|(name, _)| rule(name).is_some())
            .map(|(name, line)| ((*name).to_owned(), *line))
            .collect();
        want.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
        assert_eq!(found(case), want, "{}", case.text);
    }
}

#[test]
fn a_difference_is_one() {
    let differing = CASES.iter().filter_map(|c| Some((c, c.kiln?)));
    for (case, kiln) in differing {
        assert_ne!(kiln, case.want, "{}", case.text);
    }
}

#[test]
fn no_alias_is_misspelt() {
    for rule in RULES.iter() {
        for name in rule.buildkit {
            assert!(CHECKS.contains(name), "{name}");
        }
    }
}
