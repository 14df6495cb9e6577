//! `why`: what was recorded of a build about its cache.

use kiln_build::explain::{Explanation, StepReport};
use kiln_store::Store;

use crate::BuildError;

/// What is known of the last build of an image, or of the last build at all, failed ones included.
pub fn why(store: &Store, image: Option<&str>) -> Result<Explanation, BuildError> {
    let id = image.map(|name| store.resolve(name)).transpose()?;
    let record = store.build_last(id.as_ref())?.ok_or_else(|| match image {
        Some(name) => BuildError::new(format!("{name}: nothing is known of how it was built"))
            .hint("only builds in this store are known, the last 100 of them"),
        None => BuildError::new("nothing has been built in this store"),
    })?;
    Explanation::unpack(&record)
}

/// The step that a user names: `3` for the third of the stage that became the image, `build/3` for
/// that of another stage, `#7` for the number in plain progress.
pub fn find_step<'e>(of: &'e Explanation, name: &str) -> Result<&'e StepReport, BuildError> {
    let found = match (name.strip_prefix('#'), name.rsplit_once('/')) {
        (Some(id), _) => {
            let id = id.parse().ok();
            of.steps.iter().find(|s| Some(s.id) == id)
        }
        (None, Some((stage, number))) => {
            let number = number.parse().ok();
            let mut steps = of.steps.iter();
            steps.find(|s| s.stage.eq_ignore_ascii_case(stage) && Some(s.number) == number)
        }
        (None, None) => {
            let number = name.parse().ok();
            let mut steps = of.steps.iter();
            steps.find(|s| s.target && Some(s.number) == number)
        }
    };
    found.ok_or_else(|| {
        let mut known = of.steps.iter().map(|s| match s.target {
            true => s.number.to_string(),
            false => format!("{}/{}", s.stage, s.number),
        });
        let known: Vec<String> = known.by_ref().collect();
        BuildError::new(format!("the build has no step {name:?}"))
            .hint(format!("its steps are {}", known.join(", ")))
    })
}
