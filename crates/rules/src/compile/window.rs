//! Reads the window of a limit: `unit`, `unit_multiplier`, `calendar` and `time_zone`.

use std::num::NonZeroU32;

use super::{
    file_compiler::FileCompiler,
    keys::Key,
    reader::{Fields, clip},
    report::Path,
};
use limiter::domain::{TimeZone, Unit, Window, WindowError, likely};

use crate::yaml::Mark;

const UNITS: &str = "second, minute, hour, day, week, month, year";

impl<'a> FileCompiler<'a, '_> {
    /// Reads a window. `limit` is the position of the limit, `zone` the result of [`Self::time_zone`].
    #[allow(clippy::option_option)]
    pub(super) fn window(
        &mut self,
        fields: &Fields<'a>,
        zone: Option<Option<TimeZone>>,
        limit: Mark,
        path: &Path<'_>,
    ) -> Option<Window> {
        let unit = self.unit(fields, limit, path);
        let here = path.key(Key::UnitMultiplier.name());
        let (multiplier, mark) = match fields.get(Key::UnitMultiplier) {
            Some(field) => (self.reader.positive(field, &here)?, field.mark),
            None => (self.settings.defaults.unit_multiplier.as_ref().map_or(1, |given| given.value), limit),
        };
        let (unit, multiplier) = (unit?, NonZeroU32::new(multiplier)?);
        let window = match zone? {
            None => Window::new(unit, multiplier),
            Some(zone) => Window::by_calendar(unit, multiplier, zone),
        };
        match window {
            Ok(window) => Some(window),
            Err(error @ WindowError::TooLong { .. }) => {
                self.reader.report.error(mark, &here, error.to_string());
                None
            }
            Err(error @ WindowError::NoCalendar(_)) => {
                let mark = fields.mark_or(Key::Calendar, limit);
                self.reader.report.error(mark, &path.key(Key::Calendar.name()), error.to_string());
                None
            }
        }
    }

    fn unit(&mut self, fields: &Fields<'a>, mark: Mark, path: &Path<'_>) -> Option<Unit> {
        let here = path.key(Key::Unit.name());
        let Some(field) = fields.get(Key::Unit) else {
            let message = format!("the unit is missing; accepted: {UNITS}, in any letter case");
            self.reader.report.error(fields.mark_or(Key::Unit, mark), &here, message);
            return None;
        };
        let text = self.reader.text(field, &here)?;
        let unit = Unit::from_name(text);
        if unit.is_none() {
            self.reader.invalid(field, text, &here, Unit::ALL.map(Unit::name), ", in any letter case");
        }
        unit
    }

    /// Reads the time zone of a calendar, if there is a calendar. The outer `None` means an error, which has been
    /// reported.
    #[allow(clippy::option_option)]
    pub(super) fn time_zone(&mut self, fields: &Fields<'a>, path: &Path<'_>) -> Option<Option<TimeZone>> {
        let calendar = match fields.get(Key::Calendar) {
            Some(field) => self.reader.boolean(field, &path.key(field.name))?,
            None => false,
        };
        let Some(field) = fields.get(Key::TimeZone) else {
            let utc = || TimeZone::from_name("UTC").expect("the database has UTC");
            return Some(calendar.then(utc));
        };
        let here = path.key(field.name);
        let name = self.reader.text(field, &here)?;
        let zone = TimeZone::from_name(name);
        if zone.is_none() {
            let names = TimeZone::names();
            let meant = likely(name, names.iter().map(String::as_str));
            let meant = meant.map_or(String::new(), |meant| format!("; did you mean `{meant}`?"));
            let accepted = "accepted: a name of the IANA database, such as UTC or Europe/Berlin";
            let separator = if meant.is_empty() { "; " } else { " " };
            let message = format!("unknown time zone `{}`{meant}{separator}{accepted}", clip(name));
            self.reader.report.error(field.mark, &here, message);
        } else if !calendar {
            let message = "time_zone is for calendar: true; add that, or leave time_zone out: windows of a fixed length \
                           are counted from the epoch";
            self.reader.report.error(field.key_mark, &here, message);
            return None;
        }
        zone.map(Some)
    }
}
