//! Calls that all servers must answer equally, cut, padded and interleaved at random.

use proptest::{collection::vec, prelude::*, sample::Index};

use crate::oracle::script::{self, Fields, PADDED, Script, block, changed, fields, framed, message, plain_message};
use testkit::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, frame};

/// A call, and how its frames are cut.
#[derive(Clone, Debug)]
pub struct Call {
    fields: Fields,
    payload: Payload,
    block_cuts: Vec<Index>,
    data_cuts: Vec<Index>,
    padding: Option<u8>,
    is_end_apart: bool,
}

/// The content of a call's DATA.
#[derive(Clone, Debug)]
enum Payload {
    Good,
    Nothing,
    Truncated(Index),
    Followed(Vec<u8>),
    Flag(u8),
    Length(u32),
}

impl Payload {
    fn bytes(&self) -> Vec<u8> {
        let good = message();
        match self {
            Self::Good => good,
            Self::Nothing => Vec::new(),
            Self::Truncated(at) => good[..at.index(good.len())].to_vec(),
            Self::Followed(by) => [&good, &by[..]].concat(),
            Self::Flag(flag) => framed(*flag, &plain_message()),
            Self::Length(length) => [&[0], &length.to_be_bytes()[..], &plain_message()].concat(),
        }
    }
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        6 => Just(Payload::Good),
        1 => Just(Payload::Nothing),
        1 => any::<Index>().prop_map(Payload::Truncated),
        // for a second message grpc-go checks the length first
        1 => vec(any::<u8>(), 1..5).prop_map(Payload::Followed),
        1 => (0..9_u8).prop_map(|length| Payload::Followed([&[0, 0, 0, 0, length], &[9; 4][..]].concat())),
        1 => any::<u8>().prop_map(Payload::Flag),
        // and what is left after a shorter one is a second message
        1 => prop_oneof![61..200_u32, 61..=u32::MAX, 4_194_300..4_194_310_u32].prop_map(Payload::Length),
    ]
}

/// Heads that all servers answer equally.
fn usual_head() -> impl Strategy<Value = Fields> {
    // long ones, none, and unreadable ones: others depend on timing
    let timeout =
        prop_oneof!["[1-9][0-9]{1,8}[HMS]", "[1-9][0-9]{6,8}[mu]", "0{1,8}[HMSmun]", "([ +.a-z-][0-9]{0,3})?[a-zA-Z]"];
    prop_oneof![
        6 => Just(fields()),
        2 => timeout.prop_map(|value| script::with("grpc-timeout", value)),
        1 => "application/grp[a-c][+;a-z]{0,5}".prop_map(|value| changed("content-type", value)),
        1 => "/[a-z.]{0,9}/[A-Za-z/]{0,9}".prop_map(|path| changed(":path", path)),
        1 => "(GET|PUT|HEAD|POST|PATCH|DELETE|[A-Z]{1,9})".prop_map(|method| changed(":method", method)),
        1 => "(identity|deflate|[a-f]{0,5})".prop_map(|name| script::with("grpc-encoding", name)),
        1 => "[ -~]{0,300}".prop_map(|value| script::with("x-other", value)),
    ]
}

pub fn call() -> impl Strategy<Value = Call> {
    let cuts = || vec(any::<Index>(), 0..4);
    let parts = (usual_head(), payload(), cuts(), cuts(), any::<Option<u8>>(), any::<bool>());
    parts.prop_map(|(fields, payload, block_cuts, data_cuts, padding, is_end_apart)| Call {
        fields,
        payload,
        block_cuts,
        data_cuts,
        padding,
        is_end_apart,
    })
}

/// Bytes in pieces, some of which may be empty.
fn cut(bytes: &[u8], at: &[Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<_> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let starts = [0].into_iter().chain(at.iter().copied());
    let ends = at.iter().copied().chain([bytes.len()]);
    starts.zip(ends).map(|(start, end)| bytes[start..end].to_vec()).collect()
}

impl Call {
    /// The parts that may be interleaved with frames of other streams.
    fn units(&self, stream: u32) -> Vec<Vec<u8>> {
        let parts = cut(&block(&self.fields), &self.block_cuts);
        let last = parts.len() - 1;
        let head = parts.iter().enumerate().flat_map(|(at, part)| {
            let kind = if at == 0 { HEADERS } else { CONTINUATION };
            frame(kind, if at == last { END_HEADERS } else { 0 }, stream, part)
        });
        let mut units = vec![head.collect()];
        let parts = cut(&self.payload.bytes(), &self.data_cuts);
        let last = parts.len() - 1;
        for (at, part) in parts.iter().enumerate() {
            let end = if at == last && !self.is_end_apart { END_STREAM } else { 0 };
            units.push(match self.padding {
                Some(length) => {
                    let payload = [&[length], &part[..], &vec![0; length.into()]].concat();
                    frame(DATA, end | PADDED, stream, &payload)
                }
                None => frame(DATA, end, stream, part),
            });
        }
        if self.is_end_apart {
            units.push(frame(DATA, END_STREAM, stream, &[]));
        }
        units
    }
}

/// Interleaves calls; each index in `order` selects who sends next. A stream opens after those with lower ids.
pub fn mix(calls: &[Call], noise: &[Vec<u8>], order: &[Index]) -> Script {
    let streams = (1..).step_by(2);
    let mut left: Vec<_> = streams.zip(calls).map(|(stream, call)| call.units(stream).into_iter()).collect();
    let (mut bytes, mut begun, mut noise) = (Vec::new(), 0, noise.iter());
    let mut order = order.iter().cycle();
    while left.iter().any(|units| units.len() > 0) {
        let open: Vec<_> = (0..left.len()).filter(|at| *at <= begun && left[*at].len() > 0).collect();
        let choices = open.len() + usize::from(noise.len() > 0);
        let Some(at) = open.get(order.next().expect("endless").index(choices)) else {
            bytes.extend(noise.next().into_iter().flatten());
            continue;
        };
        begun = begun.max(at + 1);
        bytes.extend(left[*at].next().expect("some are left"));
    }
    let count = u32::try_from(calls.len()).expect("few");
    Script::new("calls at random", bytes).and((1..count).map(|number| 2 * number + 1))
}
