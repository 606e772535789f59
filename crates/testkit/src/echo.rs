//! A server that rejects AUTH and repeats what it was sent: like a Redis whose AUTH was renamed, or with another error
//! text.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

/// Makes the text of the error from the words of the command.
pub type Refuse = fn(&[String]) -> String;

/// The error of Redis for a command that it does not know; it cuts what it repeats at 128 bytes.
pub fn as_unknown(words: &[String]) -> String {
    let mut repeated = String::new();
    for word in &words[1..] {
        if repeated.len() < 128 {
            let end = word.len().min(128 - repeated.len());
            repeated += &format!("'{}' ", &word[..end]);
        }
    }
    format!("ERR unknown command '{}', with args beginning with: {repeated}", words[0])
}

/// Another error text, in quotes, in which some characters are escaped.
pub fn quoted(words: &[String]) -> String {
    format!("ERR no such login: {:?}", &words[1..])
}

/// Another error text, cut.
pub fn shortened(words: &[String]) -> String {
    let all = words.join(" ");
    format!("ERR cannot do: {}...", &all[..all.len().min(128)])
}

/// Starts a server that runs until the process ends, and returns its port.
pub fn start(refuse: Refuse) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // a client that disconnects ends it
            thread::spawn(move || serve(&stream, refuse));
        }
    });
    port
}

fn serve(mut stream: &TcpStream, refuse: Refuse) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let words = command(&mut reader)?;
        let answer = match &*words[0] {
            "AUTH" => refuse(&words),
            _ => "NOAUTH Authentication required.".to_owned(),
        };
        stream.write_all(format!("-{}\r\n", answer.replace(['\r', '\n'], " ")).as_bytes()).ok()?;
    }
}

/// Reads the words of the next command; `None` at the end of the stream.
fn command(reader: &mut BufReader<&TcpStream>) -> Option<Vec<String>> {
    let words = number(reader)?;
    (0..words)
        .map(|_| {
            let mut word = vec![0; number(reader)? + 2];
            reader.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            String::from_utf8(word).ok()
        })
        .collect()
}

fn number(reader: &mut BufReader<&TcpStream>) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.get(1..)?.trim().parse().ok()
}
