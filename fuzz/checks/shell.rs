//! Scripts of RUN.

use kiln_check::{Surroundings, check as findings};
use kiln_dockerfile::parse;

/// No script makes the reader of the shell's language, or a rule, panic.
pub fn check(data: &[u8]) {
    let Ok(script) = std::str::from_utf8(data) else {
        return;
    };
    for shell in ["", "SHELL [\"/bin/bash\", \"-c\"]\n"] {
        for text in [
            format!("FROM a\n{shell}RUN <<END\n{script}\nEND\n"),
            format!("FROM a\n{shell}RUN {script}\n"),
        ] {
            if let Ok(file) = parse(text.as_bytes()) {
                findings(&file, &Surroundings::NONE, |_| true);
            }
        }
    }
}
