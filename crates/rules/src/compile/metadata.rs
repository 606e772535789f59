//! Reads `metadata`, which may be any map.

use std::sync::Arc;

use super::{
    reader::{Field, Reader},
    report::Path,
};
use limiter::domain::{Metadata, MetadataValue};

use crate::yaml::{Kind, MAX_DEPTH, NodeId, Typed};

impl<'a> Reader<'a, '_> {
    /// Reads a map; `None` if it is empty.
    pub(super) fn metadata(&mut self, field: Field<'a>, path: &Path<'_>) -> Option<Arc<Metadata>> {
        if !self.is_map(field.value, path) {
            return None;
        }
        let MetadataValue::Map(metadata) = self.metadata_value(field.value, path, 0) else { return None };
        (!metadata.is_empty()).then(|| Arc::new(metadata))
    }

    #[allow(clippy::cast_precision_loss)]
    fn metadata_value(&mut self, node: NodeId, path: &Path<'_>, depth: usize) -> MetadataValue {
        let document = self.document;
        let node = document.follow(node);
        if depth > MAX_DEPTH {
            // aliases can nest deeper than the text itself does
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            self.report.error(document.mark(node), path, message);
            return MetadataValue::Null;
        }
        match document.kind(node) {
            Kind::Scalar(scalar) => match scalar.typed() {
                Typed::Null => MetadataValue::Null,
                Typed::Bool(value) => MetadataValue::Bool(value),
                Typed::Int(value) => MetadataValue::Number(value as f64),
                Typed::Float(value) if value.is_finite() => MetadataValue::Number(value),
                // JSON has no infinity, so /json could not return it as a number
                Typed::Float(_) | Typed::Text => MetadataValue::String(scalar.text.into()),
            },
            Kind::List => {
                let elements = document.children(node).enumerate();
                MetadataValue::List(
                    elements.map(|(at, e)| self.metadata_value(e, &path.index(at), depth + 1)).collect(),
                )
            }
            Kind::Map => {
                let mut notices = Vec::new();
                let pairs = document.pairs(node, &mut notices);
                self.notices(notices, path);
                let entry = |pair: crate::yaml::Pair<'a>| {
                    let value = self.metadata_value(pair.value, &path.key(pair.key.text), depth + 1);
                    (pair.key.text, value)
                };
                MetadataValue::Map(pairs.into_iter().map(entry).collect())
            }
        }
    }
}
