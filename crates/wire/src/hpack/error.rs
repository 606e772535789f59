//! Why a block is rejected.

/// Why a block is rejected. The connection must end with COMPRESSION_ERROR, because the tables of both sides may differ
/// from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// The block ends within a field.
    #[error("the block ends within a field")]
    Truncated,
    /// An integer has more than four octets after its prefix.
    #[error("an integer has more than four octets after its prefix")]
    Integer,
    /// An index is zero, or above the entries of the tables.
    #[error("no entry of the tables has the index {0}")]
    Index(usize),
    /// A size update follows a field, or two others.
    #[error("a size update follows a field or two others")]
    MisplacedSizeUpdate,
    /// A size update exceeds our settings.
    #[error("a size update asks for a table of {0} octets, more than the settings allow")]
    TableTooLarge(usize),
    /// A string is not valid Huffman code.
    #[error(transparent)]
    Huffman(#[from] HuffmanError),
}

/// Why a string is not valid Huffman code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HuffmanError {
    /// The last octet is not padded with the first bits of EOS, or there is a whole octet of padding.
    #[error("the padding of a Huffman string is not up to seven one bits")]
    Padding,
    /// The string contains EOS.
    #[error("a Huffman string contains EOS")]
    Eos,
}
