//! Properties that hold for any input, in any pieces.

use proptest::{collection::vec, prelude::*};
use wire::Config;

use crate::support::{
    frames::{frame, settings},
    machine::Machine,
    model::{Action, Client, Path},
};

fn config() -> Config {
    Config { stream_window: 65_535, connection_window: 80_000, ..Config::default() }
}

fn path() -> impl Strategy<Value = Path> {
    let size = prop_oneof![0..200_usize, 0..40_000_usize];
    prop_oneof![
        3 => Just(Path::Echo),
        3 => Just(Path::Wait),
        1 => Just(Path::Now),
        1 => Just(Path::Head),
        1 => size.clone().prop_map(Path::Sized),
        1 => size.clone().prop_map(Path::Stream),
        1 => size.prop_map(Path::Body),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let which = 0..1000_usize;
    let window = prop_oneof![0..100_u32, 0..70_000_u32];
    prop_oneof![
        6 => (path(), prop_oneof![Just(16_000), 1..20_usize]).prop_map(|(path, part)| Action::Open(path, part)),
        6 => (which.clone(), prop_oneof![0..50_usize, 0..16_000_usize], prop_oneof![Just(0_u8), any::<u8>()])
            .prop_map(|(which, size, padding)| Action::Data(which, size, padding.min(100))),
        5 => which.clone().prop_map(Action::End),
        1 => which.clone().prop_map(Action::Trailers),
        2 => which.clone().prop_map(Action::Reset),
        1 => Just(Action::Malformed),
        1 => Just(Action::Ping),
        1 => window.clone().prop_map(Action::InitialWindow),
        1 => prop_oneof![Just(0), 0..10_000_u32].prop_map(Action::TableSize),
        2 => (which, 1..2_000_u32).prop_map(|(which, increment)| Action::Update(which, increment)),
        5 => (prop_oneof![1..30_usize, 1..30_000_usize], 1..6_u32)
            .prop_map(|(length, calls)| Action::Deliver(length, calls)),
        1 => Just(Action::Wake),
    ]
}

/// An arbitrary frame.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let stream = prop_oneof![Just(0_u32), 0..12_u32, any::<u32>()];
    let payload = prop_oneof![vec(any::<u8>(), 0..12), vec(any::<u8>(), 0..300), Just(vec![0; 9_000])];
    (0..11_u8, any::<u8>(), stream, payload).prop_map(|(kind, flags, stream, payload)| {
        // some blocks are requests
        let payload = if kind == 1 && payload.len() < 6 { vec![0x83, 0x86, 0x84] } else { payload };
        frame(kind, flags, stream, &payload)
    })
}

proptest! {
    #[test]
    fn each_call_is_answered_and_nothing_is_left(actions in vec(action(), 1..120)) {
        let mut client = Client::new(Machine::with(config()));
        actions.iter().for_each(|action| client.act(action));
        client.finish();
        client.check_credit();
    }

    /// Input in pieces, with turns of any size, has the same answers as input at once.
    #[test]
    fn pieces_and_turns_do_not_matter(actions in vec(action(), 1..80)) {
        // no window limits what is sent
        let config = Config { stream_window: 1 << 30, connection_window: 1 << 30, ..config() };
        let mut pieces = Client::new(Machine::with(config.clone()));
        let mut whole = Client::new(Machine::with(config));
        for action in &actions {
            pieces.act(action);
            if !matches!(action, Action::Deliver(..) | Action::Wake) {
                whole.act(action);
            }
        }
        pieces.finish();
        whole.finish();
        prop_assert_eq!(pieces.answers(), whole.answers());
    }

    #[test]
    fn no_bytes_panic(frames in vec(any_frame(), 1..60), raw in vec(any::<u8>(), 0..300), chunk in 1..5_000_usize) {
        let mut machine = Machine::with(config());
        let bytes = [settings(&[]), frames.concat(), raw].concat();
        for chunk in bytes.chunks(chunk) {
            machine.send(chunk);
            prop_assert!(machine.connection.is_over() || machine.input.len() < 9 + 16_384);
        }
        machine.wake();
        machine.pass(std::time::Duration::from_secs(100));
        if machine.connection.is_over() {
            prop_assert_eq!((machine.remote().live(), machine.config.held.used()), (0, 0));
        }
    }
}
