//! Reads the container of a manifest as Kubernetes does. Anything that it does not know is a panic: a test that
//! overlooks half of a Deployment proves nothing.

use serde_json::Value;

/// The documents of a file.
pub fn documents(yaml: &str) -> Vec<Value> {
    let parse = |text| yaml_serde::from_str(text).unwrap_or_else(|error| panic!("{error} in\n{text}"));
    yaml.split("\n---\n").map(parse).filter(|document: &Value| !document.is_null()).collect()
}

/// The document of this kind and name.
pub fn find(documents: &[Value], kind: &str, name: &str) -> Value {
    let found = documents.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
}

/// A Deployment of one container.
pub struct Deployment(Value);

/// The user that the container runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: u32,
    pub group: u32,
}

/// A page that the kubelet probes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    pub path: String,
    pub port: u16,
}

/// A volume in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub path: String,
    /// The Secret or ConfigMap with its content.
    pub filled_by: String,
    /// Whether the pod starts without it.
    pub optional: bool,
}

impl Deployment {
    pub fn new(deployment: Value) -> Self {
        assert_eq!(deployment["kind"], "Deployment");
        let this = Self(deployment);
        assert_eq!(this.pod()["containers"].as_array().map(Vec::len), Some(1), "one container");
        let known = [
            "command",
            "env",
            "image",
            "imagePullPolicy",
            "livenessProbe",
            "name",
            "ports",
            "readinessProbe",
            "resources",
            "securityContext",
            "startupProbe",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "volumeMounts",
        ];
        let unknown: Vec<_> = this.container().as_object().expect("a map").keys().collect();
        assert!(unknown.iter().all(|key| known.contains(&key.as_str())), "of {unknown:?} this knows {known:?}");
        this
    }

    fn pod(&self) -> &Value {
        &self.0["spec"]["template"]["spec"]
    }

    fn container(&self) -> &Value {
        &self.pod()["containers"][0]
    }

    /// The manifest's command, else the image's.
    pub fn command(&self, image: &str) -> Vec<String> {
        match self.container()["command"].as_array() {
            Some(command) => command.iter().map(text).collect(),
            None => vec![image.to_owned()],
        }
    }

    pub fn image(&self) -> String {
        text(&self.container()["image"])
    }

    /// Whether the root file system is read-only.
    pub fn is_read_only(&self) -> bool {
        self.container()["securityContext"]["readOnlyRootFilesystem"] == true
    }

    /// The environment, in order. `pod_name` is the value from the downward API.
    pub fn environment(&self, pod_name: &str) -> Vec<(String, String)> {
        let value = |one: &Value| match (&one["value"], &one["valueFrom"]["fieldRef"]["fieldPath"]) {
            (Value::String(value), Value::Null) => value.clone(),
            (Value::Null, Value::String(path)) if path == "metadata.name" => pod_name.to_owned(),
            other => panic!("{other:?}"),
        };
        let all = self.container()["env"].as_array().expect("an environment");
        all.iter().map(|one| (text(&one["name"]), value(one))).collect()
    }

    pub fn ports(&self) -> Vec<u16> {
        let all = self.container()["ports"].as_array().expect("ports");
        all.iter().map(|one| port(&one["containerPort"])).collect()
    }

    /// The start-up, liveness and readiness probes, if present.
    pub fn probes(&self) -> Vec<Probe> {
        ["startupProbe", "livenessProbe", "readinessProbe"]
            .into_iter()
            .map(|probe| &self.container()[probe])
            .filter(|probe| !probe.is_null())
            .map(|probe| {
                let page = &probe["httpGet"];
                assert!(page["scheme"].is_null() || page["scheme"] == "HTTP", "{probe}");
                Probe { path: text(&page["path"]), port: self.port(&page["port"]) }
            })
            .collect()
    }

    /// A port, by number or by name.
    fn port(&self, named: &Value) -> u16 {
        let Some(name) = named.as_str() else { return port(named) };
        let ports = self.container()["ports"].as_array().expect("ports");
        let found = ports.iter().find(|one| one["name"] == name);
        port(&found.unwrap_or_else(|| panic!("no port {name}"))["containerPort"])
    }

    /// The container's own user, else the pod's, else the image's.
    pub fn identity(&self, image: Identity) -> Identity {
        let one = |name: &str| {
            let said = [self.container(), self.pod()].into_iter().map(|at| &at["securityContext"][name]);
            said.filter_map(Value::as_u64).map(|id| u32::try_from(id).expect("an id")).next()
        };
        match (one("runAsUser"), one("runAsGroup")) {
            (None, None) => image,
            (Some(user), group) => Identity { user, group: group.unwrap_or(0) },
            (None, Some(group)) => Identity { group, ..image },
        }
    }

    pub fn mounts(&self) -> Vec<Mount> {
        let all = self.container()["volumeMounts"].as_array().expect("mounts");
        all.iter()
            .map(|mount| {
                let volumes = self.pod()["volumes"].as_array().expect("volumes");
                let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).expect("the volume");
                let (filled_by, source) = match (&volume["secret"], &volume["configMap"]) {
                    (secret, Value::Null) => (&secret["secretName"], secret),
                    (Value::Null, map) => (&map["name"], map),
                    other => panic!("{other:?}"),
                };
                let optional = source["optional"] == true;
                Mount { path: text(&mount["mountPath"]), filled_by: text(filled_by), optional }
            })
            .collect()
    }

    /// The termination grace period of the pod, in seconds.
    pub fn grace(&self) -> u64 {
        match &self.pod()["terminationGracePeriodSeconds"] {
            Value::Null => 30,
            seconds => seconds.as_u64().expect("seconds"),
        }
    }

    /// The port and path in the annotations for scrapers.
    pub fn scrape(&self) -> Option<Probe> {
        let said = &self.0["spec"]["template"]["metadata"]["annotations"];
        (said["prometheus.io/scrape"] == "true").then(|| Probe {
            path: text(&said["prometheus.io/path"]),
            port: text(&said["prometheus.io/port"]).parse().expect("a port"),
        })
    }
}

/// Merges maps into a list; a map replaces the one with the same name.
pub fn amend(list: &mut Value, with: &Value) {
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    let list = list.as_array_mut().expect("a list");
    for one in with.as_array().into_iter().flatten() {
        match list.iter_mut().find(|other| other["name"] == one["name"]) {
            Some(other) => *other = one.clone(),
            None => list.push(one.clone()),
        }
    }
}

/// The variables that Kubernetes adds to a pod for each Service in its namespace.
pub fn service_links(documents: &[Value]) -> Vec<(String, String)> {
    let services = documents.iter().filter(|one| one["kind"] == "Service");
    let mut links = Vec::new();
    for (index, service) in services.enumerate() {
        let name = text(&service["metadata"]["name"]).to_uppercase().replace('-', "_");
        let host = format!("10.0.0.{}", index + 1);
        links.push((format!("{name}_SERVICE_HOST"), host.clone()));
        for (index, entry) in service["spec"]["ports"].as_array().expect("ports").iter().enumerate() {
            let number = port(&entry["port"]);
            let of_port = format!("{name}_PORT_{number}_TCP");
            if index == 0 {
                links.push((format!("{name}_SERVICE_PORT"), number.to_string()));
                links.push((format!("{name}_PORT"), format!("tcp://{host}:{number}")));
            }
            let port_name = text(&entry["name"]).to_uppercase().replace('-', "_");
            links.push((format!("{name}_SERVICE_PORT_{port_name}"), number.to_string()));
            links.push((of_port.clone(), format!("tcp://{host}:{number}")));
            links.push((format!("{of_port}_PROTO"), "tcp".to_owned()));
            links.push((format!("{of_port}_PORT"), number.to_string()));
            links.push((format!("{of_port}_ADDR"), host.clone()));
        }
    }
    links
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn port(value: &Value) -> u16 {
    value.as_u64().and_then(|port| port.try_into().ok()).unwrap_or_else(|| panic!("{value} is no port"))
}
