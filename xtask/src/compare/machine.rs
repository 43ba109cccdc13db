//! The machine and the day that figures belong to.

use std::env;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::process::allowed_cores;
use crate::TaskResult;

/// Vector extensions worth naming, as Linux spells them, narrow ones first.
const VECTORS: [&str; 6] = ["sse2", "avx", "avx2", "fma", "avx512f", "asimd"];

/// What the figures were measured on and when.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) vectors: String,
    pub(crate) date: String,
}

pub(crate) fn describe() -> TaskResult<Machine> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = match allowed_cores().len() {
        0 => std::thread::available_parallelism()?.get(),
        cores => cores,
    };
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (cpu, vectors) = read(&text);
    let system = format!("{}-{}", env::consts::ARCH, env::consts::OS);
    Ok(Machine { cpu: format!("{cpu} ({system})"), cores, vectors, date: date(seconds / 86_400) })
}

/// Model and vector extensions.
fn read(cpuinfo: &str) -> (String, String) {
    let field = |names: &[&str]| {
        cpuinfo.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            names.contains(&name.trim()).then(|| value.trim().to_owned())
        })
    };
    let cpu = field(&["model name"]).unwrap_or_else(|| "a processor without a name".to_owned());
    let flags = field(&["flags", "Features"]).unwrap_or_default();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let found: Vec<&str> = VECTORS.into_iter().filter(|name| flags.contains(name)).collect();
    (cpu, if found.is_empty() { "unknown".to_owned() } else { found.join(", ") })
}

/// The date, so many days after 1 January 1970 (years of 365.2425 days, counted from 1 March).
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
            (20_454, "2026-01-01"),
        ] {
            assert_eq!(date(days), expected);
        }
    }

    #[test]
    fn processors_are_read() {
        let text = "processor\t: 0\nmodel name\t: One\nflags\t\t: fpu avx2 sse2 avx512fp16\n";
        assert_eq!(read(text), ("One".to_owned(), "sse2, avx2".to_owned()));
        assert_eq!(read("").1, "unknown");
    }
}
