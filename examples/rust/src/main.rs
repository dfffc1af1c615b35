use std::io::{Read, Write};
use std::net::TcpListener;

fn main() -> std::io::Result<()> {
    let var = |name| std::env::var(name).expect(name);
    let listener = TcpListener::bind(format!("{}:{}", var("BIND_ADDRESS"), var("PORT")))?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        let body = "Hello from Rust\n";
        let length = itoa::Buffer::new().format(body.len()).to_owned();
        let _ = stream.read(&mut [0; 4096]);
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    }
    Ok(())
}
