//! One type for all unary methods of a port, so that a call is dispatched by a `match`.

/// Declares the enum `Method` of the types named, each of which implements `Unary`, and the enum of their pending
/// answers.
macro_rules! unary_methods {
    ($($variant:ident($method:ty)),+ $(,)?) => {
        /// A unary method.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "each is described where its type is")]
        pub enum Method {
            $($variant($method),)+
        }

        /// A pending answer of a [`Method`]. Dropped, it is abandoned.
        #[derive(Debug)]
        #[must_use = "the answer is abandoned when this is dropped"]
        #[allow(missing_docs, reason = "each is described where its type is")]
        pub enum PendingMethod {
            $($variant(<$method as Unary>::Pending),)+
        }

        impl Unary for Method {
            type Pending = PendingMethod;

            #[inline]
            fn answer(
                &self,
                message: &[u8],
                deadline: Option<Instant>,
                out: &mut Vec<u8>,
            ) -> Outcome<PendingMethod> {
                match self {
                    $(Self::$variant(method) => {
                        method.answer(message, deadline, out).map_pending(PendingMethod::$variant)
                    })+
                }
            }

            fn answer_undecidable(&self, reason: Reason, out: &mut Vec<u8>) -> bool {
                match self {
                    $(Self::$variant(method) => method.answer_undecidable(reason, out),)+
                }
            }
        }

        impl PendingAnswer for PendingMethod {
            #[inline]
            fn poll_answer(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) -> Poll<Result<(), Rejection>> {
                match self {
                    $(Self::$variant(pending) => pending.poll_answer(cx, out),)+
                }
            }
        }
    };
}
pub(in crate::api) use unary_methods;
