//! What a Redis says about its work: `INFO commandstats`.

use std::collections::BTreeMap;

/// The commands that a script calls. Redis counts each of them twice: as such, and within its script.
const IN_SCRIPTS: [&str; 5] = ["del", "get", "mget", "set", "time"];
/// The commands that run a script.
const SCRIPTS: [&str; 3] = ["eval", "evalsha", "fcall"];
/// Asked by this program itself.
const OWN: &str = "info";
/// Counts a decision, if no script does.
const COUNTS: &str = "incrby";
/// Precedes it, where a counter is made with its expiry.
const MAKES: &str = "set";

/// One line of the statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) calls: u64,
    pub(crate) micros: u64,
}

/// The statistics of all commands, by their names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandStats(BTreeMap<String, Command>);

/// What a client asked for, without what scripts called meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Account {
    /// Scripts, and decisions counted without one.
    pub(crate) calls: f64,
    /// The time of all commands that a client sent, in microseconds.
    pub(crate) micros: f64,
}

impl CommandStats {
    /// Reads the reply to `INFO commandstats`.
    pub(crate) fn parse(info: &str) -> Self {
        let command = |line: &str| {
            let (name, fields) = line.trim().strip_prefix("cmdstat_")?.split_once(':')?;
            let field = |name: &str| {
                let mut fields = fields.split(',').filter_map(|field| field.split_once('='));
                fields.find(|(field, _)| *field == name)?.1.parse().ok()
            };
            Some((name.to_owned(), Command { calls: field("calls")?, micros: field("usec")? }))
        };
        Self(info.lines().filter_map(command).collect())
    }

    /// What was added since an earlier reading.
    pub(crate) fn since(mut self, before: &Self) -> Self {
        for (name, command) in &mut self.0 {
            let before = before.of(name);
            command.calls = command.calls.saturating_sub(before.calls);
            command.micros = command.micros.saturating_sub(before.micros);
        }
        self.0.retain(|_, command| command.calls > 0);
        self
    }

    /// Adds the statistics of another server.
    pub(crate) fn add(&mut self, other: &Self) {
        for (name, command) in &other.0 {
            let mine = self.0.entry(name.clone()).or_default();
            mine.calls += command.calls;
            mine.micros += command.micros;
        }
    }

    fn of(&self, name: &str) -> Command {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The commands that clients sent. Redis does not say which of the others a script called: where there are scripts,
    /// those that a script may call are taken for its own, except one `SET` for each `INCRBY`, which no script calls.
    pub(crate) fn account(&self) -> Account {
        let scripts: Vec<Command> = SCRIPTS.iter().map(|name| self.of(name)).collect();
        let counted = self.of(COUNTS).calls;
        let are_scripts = scripts.iter().any(|script| script.calls > 0);
        let sent = |(name, command): (&String, &Command)| {
            let share = match name.as_str() {
                OWN => 0.0,
                MAKES if are_scripts => counted.min(command.calls) as f64 / command.calls.max(1) as f64,
                name if are_scripts && IN_SCRIPTS.contains(&name) => 0.0,
                _ => 1.0,
            };
            share * command.micros as f64
        };
        let calls = scripts.iter().map(|script| script.calls).sum::<u64>() + counted;
        Account { calls: calls as f64, micros: self.0.iter().map(sent).sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis 7.0 and 6.0 write it.
    const INFO: &str = "# Commandstats\r\n\
        cmdstat_evalsha:calls=100,usec=3000,usec_per_call=30.00,rejected_calls=0,failed_calls=1\r\n\
        cmdstat_get:calls=100,usec=400,usec_per_call=4.00,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_set:calls=150,usec=600,usec_per_call=4.00,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_incrby:calls=50,usec=100,usec_per_call=2.00\r\n\
        cmdstat_pttl:calls=50,usec=50,usec_per_call=1.00\r\n\
        cmdstat_config|resetstat:calls=1,usec=9,usec_per_call=9.00,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_info:calls=2,usec=900,usec_per_call=450.00,rejected_calls=0,failed_calls=0\r\n\
        cmdstat_odd:calls=x,usec=1\r\n";

    #[test]
    fn lines_of_every_version_are_read() {
        let stats = CommandStats::parse(INFO);
        assert_eq!(stats.of("evalsha"), Command { calls: 100, micros: 3000 });
        assert_eq!(stats.of("incrby"), Command { calls: 50, micros: 100 });
        assert_eq!(stats.of("config|resetstat"), Command { calls: 1, micros: 9 });
        assert_eq!(stats.of("odd"), Command::default());
        assert_eq!(stats.0.len(), 7);
    }

    #[test]
    fn what_a_script_calls_is_counted_once() {
        let account = CommandStats::parse(INFO).account();
        assert_eq!(account.calls, 150.0, "scripts and plain decisions");
        // 50 of the 150 SETs belong to an INCRBY
        assert_eq!(account.micros, 3000.0 + 200.0 + 100.0 + 50.0 + 9.0);
    }

    #[test]
    fn without_scripts_every_command_counts() {
        let plain = CommandStats::parse(
            "cmdstat_set:calls=10,usec=40\ncmdstat_incrby:calls=10,usec=20\ncmdstat_pttl:calls=10,usec=10\n",
        );
        assert_eq!(plain.account(), Account { calls: 10.0, micros: 70.0 });
        assert_eq!(CommandStats::default().account(), Account::default());
    }

    #[test]
    fn differences_and_sums_are_by_command() {
        let before = CommandStats::parse("cmdstat_get:calls=4,usec=8\ncmdstat_set:calls=1,usec=1\n");
        let after =
            CommandStats::parse("cmdstat_get:calls=10,usec=18\ncmdstat_set:calls=1,usec=1\ncmdstat_del:calls=1,usec=2");
        let mut all = after.since(&before);
        assert_eq!(all.of("get"), Command { calls: 6, micros: 10 });
        assert_eq!(all.0.keys().collect::<Vec<_>>(), ["del", "get"]);
        all.add(&before);
        assert_eq!(all.of("get"), Command { calls: 10, micros: 18 });
        assert_eq!(all.of("set"), Command { calls: 1, micros: 1 });
    }
}
