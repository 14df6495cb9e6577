//! Dockerfiles with one mistake each.

/// A build that must fail.
pub struct Bad {
    pub name: &'static str,
    pub dockerfile: &'static str,
    pub files: &'static [(&'static str, &'static str)],
    pub args: &'static [&'static str],
    /// Where the error points; empty where the mistake is in no line.
    pub place: &'static str,
    /// What the message must say.
    pub says: &'static [&'static str],
}

macro_rules! bad {
    ($name:literal, $dockerfile:literal, $place:literal, $says:expr) => {
        bad!($name, $dockerfile, $place, $says, [], [])
    };
    ($name:literal, $dockerfile:literal, $place:literal, $says:expr, $files:expr) => {
        bad!($name, $dockerfile, $place, $says, $files, [])
    };
    ($name:literal, $dockerfile:literal, $place:literal, $says:expr, $files:expr, $args:expr) => {
        Bad {
            name: $name,
            dockerfile: $dockerfile,
            files: &$files,
            args: &$args,
            place: $place,
            says: &$says,
        }
    };
}

/// All of them.
pub const BAD: &[Bad] = &[
    // The file as a whole.
    bad!("an empty file", "", "Dockerfile:1:1", ["no instructions"]),
    bad!(
        "only comments",
        "# x\n\n# y\n",
        "Dockerfile:1:1",
        ["no instructions"]
    ),
    bad!("no FROM", "RUN echo x\n", "Dockerfile:1:1", ["FROM"]),
    bad!("only ARG", "ARG X=1\n", "", ["FROM"]),
    bad!("binary", "FROM busybox\nRUN \u{0}\n", "Dockerfile:2:1", []),
    bad!(
        "a bad directive",
        "# escape=x\nFROM busybox\n",
        "Dockerfile:1:1",
        ["escape"]
    ),
    // Instructions.
    bad!(
        "an unknown instruction",
        "FROM busybox\n\n   RNU echo x\n",
        "Dockerfile:3:4",
        ["unknown instruction: RNU", "did you mean RUN?"]
    ),
    bad!(
        "no near instruction",
        "FROM busybox\nFROBNICATE x\n",
        "Dockerfile:2:1",
        ["FROBNICATE"]
    ),
    bad!(
        "an unknown flag",
        "FROM busybox\nCOPY --form=a b /c\n",
        "Dockerfile:2:6",
        ["--form", "did you mean --from?"]
    ),
    bad!(
        "a flag twice",
        "FROM busybox\nCOPY --chown=1 --chown=2 a /b\n",
        "Dockerfile:2:16",
        ["--chown"]
    ),
    bad!(
        "a flag without value",
        "FROM busybox\nCOPY --chown a /b\n",
        "Dockerfile:2:6",
        ["--chown"]
    ),
    bad!(
        "RUN of nothing",
        "FROM busybox\nRUN\n",
        "Dockerfile:2:1",
        ["RUN"]
    ),
    bad!(
        "COPY of one word",
        "FROM busybox\nCOPY a\n",
        "Dockerfile:2:1",
        ["COPY requires"]
    ),
    bad!(
        "ENV of one word",
        "FROM busybox\nENV A\n",
        "Dockerfile:2:1",
        ["ENV"]
    ),
    bad!(
        "ENV without =",
        "FROM busybox\nENV A=1 B\n",
        "Dockerfile:2:1",
        ["\"B\""]
    ),
    bad!(
        "ENV without name",
        "FROM busybox\nENV =1\n",
        "Dockerfile:2:1",
        ["blank"]
    ),
    bad!(
        "LABEL of one word",
        "FROM busybox\nLABEL a\n",
        "Dockerfile:2:1",
        ["LABEL"]
    ),
    bad!(
        "ARG without name",
        "FROM busybox\nARG =x\n",
        "Dockerfile:2:1",
        ["ARG"]
    ),
    bad!(
        "WORKDIR of nothing",
        "FROM busybox\nWORKDIR\n",
        "Dockerfile:2:1",
        ["WORKDIR"]
    ),
    bad!(
        "WORKDIR of an empty variable",
        "FROM busybox\nWORKDIR $none\n",
        "Dockerfile:2:1",
        ["WORKDIR"]
    ),
    bad!(
        "USER of nothing",
        "FROM busybox\nUSER\n",
        "Dockerfile:2:1",
        ["USER"]
    ),
    bad!(
        "MAINTAINER of nothing",
        "FROM busybox\nMAINTAINER\n",
        "Dockerfile:2:1",
        ["MAINTAINER"]
    ),
    bad!(
        "VOLUME of nothing",
        "FROM busybox\nVOLUME\n",
        "Dockerfile:2:1",
        ["VOLUME"]
    ),
    bad!(
        "VOLUME of an empty path",
        "FROM busybox\nVOLUME [\"\"]\n",
        "Dockerfile:2:1",
        ["VOLUME"]
    ),
    bad!(
        "SHELL that is no JSON",
        "FROM busybox\nSHELL sh -c\n",
        "Dockerfile:2:1",
        ["JSON"]
    ),
    bad!(
        "ENTRYPOINT of nothing",
        "FROM busybox\nENTRYPOINT\n",
        "Dockerfile:2:1",
        ["ENTRYPOINT"]
    ),
    bad!(
        "a bad signal",
        "FROM busybox\nSTOPSIGNAL SIGNOPE\n",
        "Dockerfile:2:1",
        ["SIGNOPE"]
    ),
    bad!(
        "a port too high",
        "FROM busybox\nEXPOSE 99999\n",
        "Dockerfile:2:1",
        ["99999"]
    ),
    bad!(
        "no protocol",
        "FROM busybox\nEXPOSE 80/icmp\n",
        "Dockerfile:2:1",
        ["icmp"]
    ),
    bad!(
        "a range backwards",
        "FROM busybox\nEXPOSE 9-8\n",
        "Dockerfile:2:1",
        ["9-8"]
    ),
    bad!(
        "no port",
        "FROM busybox\nEXPOSE http\n",
        "Dockerfile:2:1",
        ["http"]
    ),
    bad!(
        "a duration without unit",
        "FROM busybox\nHEALTHCHECK --interval=5 CMD true\n",
        "Dockerfile:2:13",
        ["\"5\"", "30s"]
    ),
    bad!(
        "no number",
        "FROM busybox\nHEALTHCHECK --retries=many CMD true\n",
        "Dockerfile:2:13",
        ["many"]
    ),
    bad!(
        "no health check",
        "FROM busybox\nHEALTHCHECK\n",
        "Dockerfile:2:1",
        ["HEALTHCHECK"]
    ),
    bad!(
        "another health check",
        "FROM busybox\nHEALTHCHECK GET /\n",
        "Dockerfile:2:1",
        ["GET"]
    ),
    bad!(
        "ONBUILD twice",
        "FROM busybox\nONBUILD ONBUILD RUN x\n",
        "Dockerfile:2:1",
        ["ONBUILD"]
    ),
    bad!(
        "ONBUILD FROM",
        "FROM busybox\nONBUILD FROM x\n",
        "Dockerfile:2:1",
        ["FROM"]
    ),
    bad!(
        "ONBUILD of nonsense",
        "FROM busybox\nONBUILD RNU x\n",
        "Dockerfile:2:9",
        ["RNU"]
    ),
    // Words and heredocs.
    bad!(
        "an open heredoc",
        "FROM busybox\nRUN <<EOF\necho x\n",
        "Dockerfile:2:5",
        ["EOF"]
    ),
    bad!(
        "an open quote",
        "FROM busybox\nENV A=\"x\n",
        "Dockerfile:2:1",
        ["quote"]
    ),
    bad!(
        "an open brace",
        "FROM busybox\nENV A=${x\n",
        "Dockerfile:2:1",
        ["${x"]
    ),
    bad!(
        "a bad modifier",
        "FROM busybox\nENV A=${x:!y}\n",
        "Dockerfile:2:1",
        ["modifier"]
    ),
    bad!(
        "a required variable",
        "FROM busybox\nENV A=\"${v:?needs a value}\"\n",
        "Dockerfile:2:1",
        ["v", "needs a value"]
    ),
    // Stages.
    bad!(
        "no such image",
        "FROM busybix\n",
        "Dockerfile:1:1",
        ["busybix", "did you mean busybox"]
    ),
    bad!(
        "an image that is nowhere",
        "FROM nothing-like-it\n",
        "Dockerfile:1:1",
        ["nothing-like-it", "import"]
    ),
    bad!(
        "no image name",
        "ARG V\nFROM $V\n",
        "Dockerfile:2:1",
        ["blank"]
    ),
    bad!(
        "a bad image name",
        "FROM Bad//Name\n",
        "Dockerfile:1:1",
        ["Bad//Name"]
    ),
    bad!(
        "FROM of two words",
        "FROM busybox b\n",
        "Dockerfile:1:1",
        ["one or three"]
    ),
    bad!(
        "a bad stage name",
        "FROM busybox AS 1st\n",
        "Dockerfile:1:1",
        ["1st"]
    ),
    bad!(
        "another platform",
        "FROM --platform=linux/s390x busybox\n",
        "Dockerfile:1:1",
        ["s390x"]
    ),
    bad!(
        "no target",
        "FROM busybox AS one\nFROM one AS two\n",
        "",
        ["\"three\"", "one, two"],
        [],
        ["--target", "three"]
    ),
    bad!(
        "--from itself",
        "FROM busybox AS a\nCOPY --from=a /x /y\n",
        "Dockerfile:2:6",
        ["circular"]
    ),
    bad!(
        "--from its own number",
        "FROM busybox\nCOPY --from=0 /x /y\n",
        "Dockerfile:2:6",
        ["circular"]
    ),
    bad!(
        "--from a later stage",
        "FROM busybox AS a\nCOPY --from=b /x /y\nFROM busybox AS b\nCOPY --from=a /x /\n",
        "Dockerfile:2:6",
        ["later"]
    ),
    bad!(
        "--from nowhere",
        "FROM busybox AS build\nFROM busybox\nCOPY --from=biuld /x /y\n",
        "Dockerfile:3:6",
        ["biuld", "did you mean build?"]
    ),
    // Sources and destinations.
    bad!(
        "a file with a near name",
        "FROM busybox\nCOPY app.pyy /\n",
        "Dockerfile:2:1",
        [
            "\"app.pyy\": not found in the build context",
            "did you mean app.py?"
        ],
        [("app.py", "x")]
    ),
    bad!(
        "a file in a directory with a near name",
        "FROM busybox\nADD src/mian.c /\n",
        "Dockerfile:2:1",
        ["did you mean src/main.c?"],
        [("src/main.c", "x")]
    ),
    bad!(
        "a file that is hidden",
        "FROM busybox\nCOPY secret.txt /\n",
        "Dockerfile:2:1",
        ["excluded", ".dockerignore:2", "secret*"],
        [("secret.txt", "x"), (".dockerignore", "# no\nsecret*\n")]
    ),
    bad!(
        "a file of a stage",
        "FROM busybox AS a\nFROM busybox\nCOPY --from=a /etc/passwdd /x\n",
        "Dockerfile:3:1",
        ["/etc/passwdd", "stage \"a\"", "etc/passwd"]
    ),
    bad!(
        "a path out of the context",
        "FROM busybox\nCOPY ../x /x\n",
        "Dockerfile:2:1",
        ["outside the build context"]
    ),
    bad!(
        "several to a file",
        "FROM busybox\nCOPY a b /c\n",
        "Dockerfile:2:1",
        ["end with a /"],
        [("a", ""), ("b", "")]
    ),
    bad!(
        "a directory to a file",
        "FROM busybox\nCOPY d /etc/passwd\n",
        "Dockerfile:2:1",
        ["/etc/passwd"],
        [("d/f", "")]
    ),
    bad!(
        "below a file",
        "FROM busybox\nCOPY f /etc/passwd/x\n",
        "Dockerfile:2:1",
        ["/etc/passwd"],
        [("f", "")]
    ),
    bad!(
        "a file to a directory's place",
        "FROM busybox\nCOPY f /d\nCOPY d /d2\nCOPY f2 /e/d2/\nCOPY e /e\n",
        "Dockerfile:5:1",
        ["/e/d2"],
        [("f", ""), ("d/f", ""), ("f2", ""), ("e/d2", "")]
    ),
    bad!(
        "an unknown owner",
        "FROM busybox\nCOPY --chown=nosuch f /f\n",
        "Dockerfile:2:1",
        ["nosuch"],
        [("f", "")]
    ),
    bad!(
        "an unknown group",
        "FROM busybox\nCOPY --chown=0:nosuch f /f\n",
        "Dockerfile:2:1",
        ["nosuch"],
        [("f", "")]
    ),
    bad!(
        "a bad mode",
        "FROM busybox\nCOPY --chmod=9x9 f /f\n",
        "Dockerfile:2:6",
        ["9x9"],
        [("f", "")]
    ),
    bad!(
        "a URL that is not there",
        "FROM busybox\nADD @URL@/nope /f\n",
        "Dockerfile:2:1",
        ["404"]
    ),
    bad!(
        "no host",
        "FROM busybox\nADD http://127.0.0.1:1/x /f\n",
        "Dockerfile:2:1",
        ["127.0.0.1:1"]
    ),
    bad!(
        "another checksum",
        "FROM busybox\nADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 @URL@/there /f\n",
        "Dockerfile:2:1",
        ["sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"]
    ),
    // What happens in the container.
    bad!(
        "a failure",
        "FROM busybox\nRUN exit 42\n",
        "Dockerfile:2:1",
        ["exit code: 42"]
    ),
    bad!(
        "a signal",
        "FROM busybox\nRUN sh -c 'kill -9 $$'; exit $?\n",
        "Dockerfile:2:1",
        ["exit code: 137"]
    ),
    bad!(
        "no such command",
        "FROM busybox\nRUN nosuch\n",
        "Dockerfile:2:1",
        ["exit code: 127", "nosuch: not found"]
    ),
    bad!(
        "no such program",
        "FROM busybox\nRUN [\"nosuch\"]\n",
        "Dockerfile:2:1",
        ["nosuch"]
    ),
    bad!(
        "no shell",
        "FROM scratch\nRUN true\n",
        "Dockerfile:2:1",
        ["/bin/sh"]
    ),
    bad!(
        "no such user",
        "FROM busybox\nUSER nosuch\nRUN true\n",
        "Dockerfile:3:1",
        ["nosuch", "passwd"]
    ),
    bad!(
        "a working directory that is a file",
        "FROM busybox\nWORKDIR /etc/passwd\nRUN true\n",
        "Dockerfile:2:1",
        ["/etc/passwd"]
    ),
    bad!(
        "a network that is not there",
        "FROM busybox\nRUN wget -q -O - @URL@/there\n",
        "Dockerfile:2:1",
        ["exit code: 1"],
        [],
        ["--network", "none"]
    ),
];
