//! Many threads and processes at once.

use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn same_layer_from_many_threads() {
    let root = tempfile::tempdir().expect("tempdir");
    let barrier = Barrier::new(20);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                // Each has its own connection, like a process.
                barrier.wait();
                let store = store(root.path());
                put_layer(&store, "same");
            });
        }
    });
    let store = store(root.path());
    let id = Digest::of(b"same");
    assert!(store.layer(&id).expect("layer").is_some());
    let file = store.layer_dir(&id).join("file");
    assert_eq!(std::fs::read_to_string(file).expect("read"), "same");
    assert!(names_in(&store.tmp()).is_empty());
}

/// What each of the processes below does; does nothing when run as a test.
#[test]
fn child() {
    let Ok(root) = std::env::var("STORE_TEST_ROOT") else {
        return;
    };
    let store = store(Path::new(&root));
    let _hold = store.hold().expect("hold");
    let me = std::process::id();
    let mut layers = Vec::new();
    for i in 0..20 {
        let _step = store.lock_key(&format!("shared{i}")).expect("lock");
        layers.push(put_layer(&store, &format!("shared {i}")));
        let own = put_layer(&store, &format!("{me} {i}"));
        store
            .cache_put(&record(&format!("{me}-{i}"), Some(own)))
            .expect("cache_put");
        assert!(
            store
                .cache_get(&format!("{me}-{i}"))
                .expect("cache_get")
                .is_some()
        );
    }
    let id = put_image(&store, &layers, &me.to_string());
    store.tag(&reference("shared:tag"), &id).expect("tag");
    store.sync().expect("sync");
}

#[test]
fn twenty_processes() {
    let root = tempfile::tempdir().expect("tempdir");
    let exe = std::env::current_exe().expect("current_exe");
    let spawn = || {
        let mut command = Command::new(&exe);
        command.args(["tests::concurrency::child", "--exact"]);
        command.env("STORE_TEST_ROOT", root.path());
        command
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("spawn")
    };
    let children: Vec<_> = (0..20).map(|_| spawn()).collect();
    for mut child in children {
        assert!(child.wait().expect("wait").success());
    }
    let store = store(root.path());
    assert_eq!(store.images().expect("images").len(), 20);
    assert_eq!(names_in(&store.layers_root()).len(), 20 + 20 * 20);
    assert_eq!(store.tags().expect("tags").len(), 1);
    assert_eq!(names_in(&store.locks()).len(), 2, "key locks are removed");
    assert!(names_in(&store.tmp()).is_empty());
}

#[test]
fn killed_processes_leave_a_store_that_opens() {
    let root = tempfile::tempdir().expect("tempdir");
    let exe = std::env::current_exe().expect("current_exe");
    for round in 0..10u64 {
        let mut command = Command::new(&exe);
        command.args(["tests::concurrency::child", "--exact"]);
        command.env("STORE_TEST_ROOT", root.path());
        let mut child = command
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("spawn");
        std::thread::sleep(Duration::from_millis(5 + round * 4));
        child.kill().expect("kill");
        child.wait().expect("wait");
        let store = store(root.path());
        store.collect().expect("collect");
        assert!(names_in(&store.tmp()).is_empty());
        for name in names_in(&store.layers_root()) {
            let id = format!("sha256:{name}").parse().expect("digest");
            assert!(store.layer(&id).expect("layer").is_some());
        }
    }
}

#[test]
fn key_lock_excludes() {
    let root = tempfile::tempdir().expect("tempdir");
    let store = store(root.path());
    let inside = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let lock = store.lock_key("some key, with / in it").expect("lock");
                    use std::sync::atomic::Ordering::SeqCst;
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                    drop(lock);
                }
            });
        }
    });
}

#[test]
fn opening_is_quick() {
    let root = tempfile::tempdir().expect("tempdir");
    let first = store(root.path());
    for i in 0..50 {
        put_layer(&first, &i.to_string());
    }
    drop(first);
    let best = (0..10).map(|_| {
        let start = Instant::now();
        let _store = store(root.path());
        start.elapsed()
    });
    let best = best.min().expect("some");
    println!("open: {best:?}");
    assert!(best < Duration::from_millis(20), "{best:?}");
}
