//! When a server is asked again, and how long to wait before.
//!
//! Exponential backoff with full jitter (Brooker 2015, *Exponential Backoff And Jitter*): a random share of a bound
//! that doubles. What the server says in `Retry-After` (RFC 9110, 10.2.3) is waited for exactly.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use rand::Rng;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often a request is made at most.
pub(crate) const ATTEMPTS: usize = 5;
/// The bound of the first wait.
const FIRST: Duration = Duration::from_millis(500);
/// The bound of every wait.
const LONGEST: Duration = Duration::from_secs(16);
/// The longest that a server may ask to be left alone; beyond it the error says so.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Time and chance, as far as waiting between attempts needs them. A test brings its own and doesn't sleep.
#[async_trait]
pub trait Pace: Send + Sync {
    /// Waits.
    async fn wait(&self, duration: Duration);

    /// The time of day.
    fn now(&self) -> SystemTime;

    /// A random number from 0 up to, not including, 1.
    fn chance(&self) -> f64;
}

/// The real time, and real chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealPace;

#[async_trait]
impl Pace for RealPace {
    async fn wait(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn chance(&self) -> f64 {
        rand::rng().random()
    }
}

/// Whether a status is worth another attempt.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504 | 529)
}

/// How long to wait after this many attempts.
pub(crate) fn backoff(attempts: usize, pace: &dyn Pace) -> Duration {
    let doubled = FIRST.saturating_mul(1 << (attempts - 1).min(16));
    doubled.min(LONGEST).mul_f64(pace.chance())
}

/// How long the server asks to be left alone: seconds, or until a date.
pub(crate) fn retry_after(headers: &HeaderMap, pace: &dyn Pace) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTimeParser::new().parse_timestamp(text).ok()?;
    let now = Timestamp::try_from(pace.now()).ok()?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Always the same moment and the same share.
    struct Still(f64);

    #[async_trait]
    impl Pace for Still {
        async fn wait(&self, _: Duration) {}

        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
        }

        fn chance(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn waits_double_up_to_a_bound_and_are_a_share_of_it() {
        let waits = |share| [1, 2, 3, 6, 60].map(|attempts| backoff(attempts, &Still(share)).as_millis());
        assert_eq!(waits(1.0), [500, 1000, 2000, 16_000, 16_000]);
        assert_eq!(waits(0.5), [250, 500, 1000, 8000, 8000]);
        assert_eq!(waits(0.0), [0; 5]);
    }

    #[test]
    fn a_server_says_how_long_in_seconds_or_by_a_date() {
        let cases = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            // The moment of `Still`, and half a minute later.
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
        ];
        for (text, seconds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, &Still(1.0)), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), &Still(1.0)), None);
    }
}
