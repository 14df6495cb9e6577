//! The commands beside `build` and `save`, and what `build` can be told, compared with docker's.

mod build_arguments;
mod outputs;
mod shown;
mod store;

use crate::harness::{Dockerd, Kiln, Project, run, run_with};

/// An image without a base, so that all its times are the epoch's.
fn app(kiln: &Kiln) {
    let project = Project::new(
        "FROM scratch\nCOPY --from=busybox / /\nENV A=1 LONG=\"a value that makes the line of the history longer than docker shows\"\n\
         LABEL org.example.name=app\nCOPY f /srv/f\nRUN echo \"tab\there\" > /out && rm -r /var\nEXPOSE 80 53/udp\nHEALTHCHECK --interval=3s CMD true\nUSER app\n\
         CMD [\"cat\", \"/srv/f\"]\n",
    )
    .with("f", "0123456789".repeat(1234));
    let mut command = kiln.command(["build", "-q", "-t", "app:1", "-t", "example.org/app:2"]);
    run(command
        .env("SOURCE_DATE_EPOCH", "1600000000")
        .arg(project.dir()))
    .ok();
}

/// kiln and docker with the same images.
fn pair() -> (Kiln, Dockerd) {
    let (kiln, docker) = (Kiln::new(), Dockerd::start());
    app(&kiln);
    let mut load = docker.command(["load"]);
    run_with(
        &mut load,
        kiln.ok(["save", "app:1", "example.org/app:2"]).stdout,
    )
    .ok();
    (kiln, docker)
}
