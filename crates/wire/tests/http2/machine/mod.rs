//! The state machine, fed with bytes: the rules of RFC 9113, flow control, limits, and the graceful end.
mod credit;
mod deadlines;
mod floods;
mod leaving;
mod polling;
mod properties;
mod replies;
mod rules;
