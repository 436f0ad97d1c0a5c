//! What a bucket of many objects costs: memory that does not grow with it, and time that grows no faster.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::scene::{Scene, harmless, leak};

/// Prints what it takes: `cargo test --release --test s3 scale -- --ignored --nocapture`.
#[test]
#[ignore = "it measures and asserts nothing of that"]
#[allow(clippy::print_stdout, reason = "it is there to be read")]
fn how_long_it_takes_and_how_much_memory() {
    println!(
        "| objects | seconds | peak MB | seconds with state | peak MB | seconds again |\n|---|---|---|---|---|---|"
    );
    for thousands in [50, 100, 200] {
        let objects = thousands * 1000;
        let scene = Scene::with(|bucket| {
            for number in 0..objects {
                let object = if number % 10_000 == 77 { leak(number) } else { harmless(number as usize) };
                bucket.put(&format!("{:03}/{number}", number % 250), object);
            }
            bucket.public();
        });
        let [plain, kept, again] = [&[][..], &["--state", "state"], &["--state", "state"]].map(|more| {
            let args = ["s3://bkt", "--anonymous", "--quiet"].iter().chain(more);
            let mut command = scene.sweeping(args).command();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let start = Instant::now();
            let peak = peak(command.spawn().unwrap());
            (start.elapsed().as_secs_f64(), peak)
        });
        println!("| {objects} | {:.1} | {} | {:.1} | {} | {:.1} |", plain.0, plain.1, kept.0, kept.1, again.0);
    }
}

/// Waits for its end; the most memory that it had, in MB.
fn peak(mut child: Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) / 1000);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    peak
}
