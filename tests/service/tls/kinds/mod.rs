//! Kinds of certificates, each presented to us by a server and by a client, in handshakes of TLS 1.2 and 1.3.

mod authorities;
mod files;
mod forge;
mod forgeries;
mod odd;
mod own;
mod shown;
mod table;
mod trusted;
mod weak;
