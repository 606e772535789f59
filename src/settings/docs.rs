//! The table of variables as text: `docs/settings.md`, and the list that ends `serve --help`.

use std::fmt::Write as _;

use super::table::{Effect, Family, Feature, Group, Variable};
use super::variables::{FAMILIES, TABLE};

const HEAD: &str = "\
# Settings

Generated from the table in `src/settings/variables.rs`; a test compares the two
(`BLESS=1 cargo test --test library settings` writes this page).

Tollgate is configured by environment variables: those of `envoyproxy/ratelimit`, with their names, defaults and syntax,
and some of its own. `tollgate serve --help` lists the flags; a flag overrides its variable. All errors are reported
together, each with the variable, its value and what is accepted, and the process exits with status 2. Variables that
are not listed here are ignored; `…` stands for any rest of a name.

- Durations are Go's: `10s`, `150us`, `1h30m`, `1.5h`, `0`. A number without a unit is an error, as in Go.
- Booleans are Go's: `true`, `false`, `1`, `0`, `t`, `f`, `T`, `F`, `TRUE`, `FALSE`, `True`, `False`.
- Whole numbers may be written `0x10`, `0o17`, `017` (octal), `0b11` and `1_000`.
- An empty value counts as unset: the default applies.
- A variable that has no effect because of the others (one of Redis while the backend is memory, one of xDS while the
  rules come from files, and so on) may have any value: a warning names it.
- Some values that are not accepted do not stop the start, because the reference runs with them: a warning names the
  value that is used instead. They are listed in [drop-in.md](drop-in.md#values-that-make-no-sense).

Kinds: **works** does what the reference does. **ours** is not in the reference. **no effect** may have any value, and
a warning at start says that it does nothing. **later** belongs to a feature that does not exist yet: selecting the
feature is an error; otherwise its variables have no effect.
";

/// The page `docs/settings.md`.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for group in Group::ALL {
        let title = group.title();
        let _ = writeln!(page, "\n## {title}\n\n| name | default | meaning | accepted | kind |\n|---|---|---|---|---|");
        for Variable { name, default, meaning, accepted, effect, .. } in of(group) {
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            let kind = match effect {
                Effect::Works => "works".to_owned(),
                Effect::Ours => "ours".to_owned(),
                Effect::NoEffect(reason) => format!("no effect: {reason}"),
                Effect::Later(feature) => format!("later: {}", feature.name()),
            };
            let _ = writeln!(page, "| `{name}` | {default} | {meaning} | {accepted} | {kind} |");
        }
        for Family { prefix, meaning, reason, .. } in FAMILIES.iter().filter(|family| family.group == group) {
            let _ = writeln!(page, "| `{prefix}…` |  | {meaning} | anything | no effect: {reason} |");
        }
    }
    page
}

/// The names of the variables that have an effect and no flag, by group, in lines of at most `width` columns.
/// `has_flag`: whether the variable of this name has a flag.
#[must_use]
pub fn other_variables(has_flag: impl Fn(&str) -> bool, width: usize) -> String {
    let mut text = String::new();
    for group in Group::ALL {
        let names: Vec<&str> = of(group)
            .filter(|variable| matches!(variable.effect, Effect::Works | Effect::Ours) && !has_flag(variable.name))
            .map(|variable| variable.name)
            .collect();
        if !names.is_empty() {
            let _ = writeln!(text, "  {}:", group.title());
            wrap(&mut text, &names, width);
        }
    }
    text
}

/// The names of the unsupported features, for the help.
#[must_use]
pub fn later_features() -> String {
    Feature::ALL.map(Feature::name).join(", ")
}

fn of(group: Group) -> impl Iterator<Item = &'static Variable> {
    TABLE.iter().filter(move |variable| variable.group == group)
}

fn wrap(text: &mut String, names: &[&str], width: usize) {
    const INDENT: &str = "    ";
    let mut column = 0;
    for name in names {
        if column > 0 && column + 1 + name.len() > width {
            text.push('\n');
            column = 0;
        }
        let before = if column == 0 { INDENT } else { " " };
        text.push_str(before);
        text.push_str(name);
        column += before.len() + name.len();
    }
    text.push('\n');
}
