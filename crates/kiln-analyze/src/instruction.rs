//! An image's history as instructions, matched to its layers.

use kiln_oci::History;

/// The instruction of a step as a Dockerfile has it, whoever built the image.
pub(crate) fn instruction(step: &History) -> String {
    let by = step.created_by.as_deref().unwrap_or_default().trim();
    let text = written(by);
    match step.comment.as_deref().map(str::trim) {
        // `import` leaves nothing else.
        Some(comment) if text.is_empty() => comment.to_owned(),
        _ => text,
    }
}

/// The builders' additions off.
fn written(by: &str) -> String {
    let by = by.strip_suffix("# buildkit").unwrap_or(by).trim_end();
    if let Some(rest) = by.strip_prefix("/bin/sh -c #(nop)") {
        return rest.trim_start().to_owned();
    }
    let (run, rest) = match by.strip_prefix("RUN ") {
        Some(rest) => (true, rest),
        None => (false, by),
    };
    let rest = without_args(rest);
    match rest.strip_prefix("/bin/sh -c ") {
        Some(command) => format!("RUN {}", command.trim_start()),
        None if run => format!("RUN {rest}"),
        None => rest.to_owned(),
    }
}

/// `|2 A=1 B=2 /bin/sh -c x` without its build arguments, where it can be told where they end.
fn without_args(text: &str) -> &str {
    let is_arg = text.strip_prefix('|').is_some_and(|t| {
        let count = t.split(' ').next().unwrap_or_default();
        !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit())
    });
    match text.find(" /bin/sh -c ") {
        Some(at) if is_arg => text.get(at + 1..).unwrap_or(text),
        _ => text,
    }
}

/// For each of `layers` layers the step that made it, as far as the history goes.
pub(crate) fn steps_of_layers(history: &[History], layers: usize) -> Vec<Option<usize>> {
    let mut made = (0..).zip(history).filter(|(_, h)| !h.empty_layer);
    (0..layers)
        .map(|_| made.next().map(|(step, _)| step))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(created_by: &str) -> String {
        instruction(&History {
            created_by: Some(created_by.to_owned()),
            comment: Some("buildkit.dockerfile.v0".to_owned()),
            ..History::default()
        })
    }

    #[test]
    fn as_in_the_dockerfile() {
        assert_eq!(of("RUN /bin/sh -c make -j2 # buildkit"), "RUN make -j2");
        assert_eq!(of("COPY a /b # buildkit"), "COPY a /b");
        assert_eq!(of("/bin/sh -c #(nop)  CMD [\"sh\"]"), "CMD [\"sh\"]");
        assert_eq!(of("/bin/sh -c #(nop) ADD file:1 in / "), "ADD file:1 in /");
        assert_eq!(of("/bin/sh -c apt-get update"), "RUN apt-get update");
        assert_eq!(
            of("RUN |2 A=1 B=x y /bin/sh -c make # buildkit"),
            "RUN make"
        );
        assert_eq!(of("|1 A=1 /bin/sh -c make"), "RUN make");
        assert_eq!(of("RUN |x /bin/sh"), "RUN |x /bin/sh");
        assert_eq!(of("RUN /app --x # buildkit"), "RUN /app --x");
        assert_eq!(of("COPY /bin/sh -c /d"), "COPY /bin/sh -c /d");
        assert_eq!(of("|"), "|");
    }

    #[test]
    fn an_imports_remark() {
        let step = History {
            comment: Some("Imported from -".to_owned()),
            ..History::default()
        };
        assert_eq!(instruction(&step), "Imported from -");
    }

    #[test]
    fn layers_find_their_steps() {
        let step = |empty_layer| History {
            empty_layer,
            ..History::default()
        };
        let history = [step(true), step(false), step(true), step(false)];
        assert_eq!(
            steps_of_layers(&history, 3),
            [Some(1), Some(3), None],
            "a layer more than the history tells of"
        );
        assert_eq!(steps_of_layers(&history, 1), [Some(1)]);
        assert_eq!(steps_of_layers(&[], 1), [None]);
    }
}
