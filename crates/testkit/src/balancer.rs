//! One address in front of several services, like a Kubernetes Service: it distributes connections, not requests, and
//! only to services whose `/readyz` reported ready at the last probe. Established connections are left alone.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};

use super::http::Client;

/// The time between two probes of a service.
const PERIOD: Duration = Duration::from_millis(100);

pub struct Balancer {
    pub address: SocketAddr,
    backends: Arc<Mutex<Vec<Backend>>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone, Copy)]
struct Backend {
    grpc: SocketAddr,
    http: SocketAddr,
    ready: bool,
}

impl Balancer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let backends = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(probe(Arc::clone(&backends)));
        tasks.spawn(distribute(listener, Arc::clone(&backends)));
        Self { address, backends, _tasks: tasks }
    }

    /// Adds a service, or replaces the one with this gRPC address. It gets connections once it is ready.
    pub fn put(&self, grpc: SocketAddr, http: SocketAddr) {
        let mut backends = self.backends.lock().expect("no panic");
        backends.retain(|one| one.grpc != grpc);
        backends.push(Backend { grpc, http, ready: false });
    }

    /// The number of services that are ready.
    pub fn ready(&self) -> usize {
        self.backends.lock().expect("no panic").iter().filter(|one| one.ready).count()
    }
}

async fn probe(backends: Arc<Mutex<Vec<Backend>>>) {
    let client = Client::new();
    loop {
        let all = backends.lock().expect("no panic").clone();
        for one in all {
            let answer = client.send(hyper::Method::GET, one.http, "/readyz", &[], "").await;
            let ready = answer.is_ok_and(|answer| answer.status == 200);
            let mut backends = backends.lock().expect("no panic");
            if let Some(known) = backends.iter_mut().find(|known| known.http == one.http) {
                known.ready = ready;
            }
        }
        sleep(PERIOD).await;
    }
}

async fn distribute(listener: TcpListener, backends: Arc<Mutex<Vec<Backend>>>) {
    let mut connections = JoinSet::new();
    for turn in 0.. {
        let (mut near, _) = listener.accept().await.expect("accepted");
        let ready: Vec<_> = {
            let backends = backends.lock().expect("no panic");
            backends.iter().filter(|one| one.ready).map(|one| one.grpc).collect()
        };
        if ready.is_empty() {
            continue;
        }
        let to = ready[turn % ready.len()];
        connections.spawn(async move {
            let Ok(mut far) = TcpStream::connect(to).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
    }
}
