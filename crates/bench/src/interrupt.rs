//! Work that ends when the user interrupts the program.

use load::interrupted;

use crate::error::Error;

/// The outcome of the work, or [`Error::Interrupted`]: what has been started is stopped with the future that started it.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let stop = interrupted()?;
    tokio::select! {
        done = work => done,
        () = stop => Err(Error::Interrupted),
    }
}
