//! Runs the rows: in parallel and short for CI, or one by one and in full for the page.

use std::{sync::Arc, time::Duration};

use tokio::{runtime::Handle, sync::Semaphore, task::spawn_blocking};

use crate::faults::{
    drive::{Form, Run, drive},
    judge,
    load::Mode,
    row::Row,
    rows,
    table::{self, GROWTH},
};

/// Deadlines are long because the machine is busy; the delays of slow faults are proportional.
const SHORT: Form = Form {
    deadline: Duration::from_secs(2),
    patience: "50s",
    before: Duration::ZERO,
    fault: Duration::from_millis(2500),
    after: Duration::ZERO,
    envoy_rate: 40,
    direct_rate: 80,
    // a debug build that has just started still allocates its first arenas and stacks: `soak` is stricter
    growth: 4 * GROWTH,
};

const FULL: Form = Form {
    deadline: Duration::from_millis(100),
    patience: "2s",
    before: Duration::from_secs(2),
    fault: Duration::from_secs(10),
    after: Duration::from_secs(2),
    envoy_rate: 200,
    direct_rate: 1000,
    growth: GROWTH,
};

/// The number of concurrent rows in the short form.
const AT_ONCE: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_fault_matrix() {
    let only = std::env::var("FAULT").unwrap_or_default();
    let page = std::env::var_os("FAULTS_PAGE");
    let of_root = if page.is_some() { rows::OF_ROOT } else { &[] };
    let rows = rows::ALL.iter().chain(of_root).filter(|row| row.name.contains(&only));
    let rows: Vec<&'static Row> = rows.collect();
    assert!(!rows.is_empty(), "no fault is named like FAULT={only}");
    match page {
        None => println!("{}", table::tables(&short(&rows).await)),
        Some(page) => {
            let runs = full(&rows).await;
            std::fs::write(page, table::page(&runs)).expect("the page is written");
            runs.iter().for_each(judge::hold);
        }
    }
}

/// Runs every row for all modes at once. Panics at the end if one of them fails.
async fn short(rows: &[&'static Row]) -> Vec<Run> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let running: Vec<_> = rows
        .iter()
        .copied()
        .map(|row| {
            let permits = Arc::clone(&permits);
            tokio::spawn(async move {
                let _permit = permits.acquire_owned().await.expect("it is never closed");
                apart(row, &SHORT, &Mode::ALL, judge::hold).await
            })
        })
        .collect();
    let mut runs = Vec::new();
    for run in running {
        // what failed has been printed
        runs.extend(run.await.ok());
    }
    assert_eq!(runs.len(), rows.len(), "rows have failed: see above");
    runs
}

/// Runs a row on a thread that it may block.
async fn apart(row: &'static Row, form: &'static Form, modes: &'static [Mode], judged: fn(&Run)) -> Run {
    let runtime = Handle::current();
    let run = spawn_blocking(move || {
        let run = runtime.block_on(drive(row, form, modes));
        judged(&run);
        run
    });
    run.await.expect("the row holds")
}

/// Runs every row for one mode after another, with nothing else running.
async fn full(rows: &[&'static Row]) -> Vec<Run> {
    let mut runs = Vec::new();
    for row in rows {
        for mode in Mode::ALL.chunks(1) {
            println!("{}, {mode:?}", row.name);
            runs.push(apart(row, &FULL, mode, |_| {}).await);
        }
    }
    runs
}
