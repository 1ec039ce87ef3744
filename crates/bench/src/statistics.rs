//! Quantiles, and confidence intervals of medians.

use std::time::Duration;

use crate::random::Dice;

/// The value below which a share `part` of the sorted values lies.
pub(crate) fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a slice that is held in memory"
    )]
    let index = (last as f64 * part).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.len() / 2;
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    if values.len() % 2 == 1 {
        at(upper)
    } else {
        f64::midpoint(at(upper.saturating_sub(1)), at(upper))
    }
}

/// A median with its 99 % confidence interval, by the percentile bootstrap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MedianSpan {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl MedianSpan {
    const RESAMPLES: usize = 2_000;

    pub(crate) fn of(values: &[f64], dice: &mut Dice) -> Self {
        let mut sorted = values.to_vec();
        let centre = median(&mut sorted);
        // The median of a resample is the value at the median of the drawn ranks; ranks are cheaper to sort.
        let mut medians: Vec<f64> = (0..Self::RESAMPLES)
            .map(|_| {
                let mut ranks = vec![0_u32; sorted.len()];
                for _ in 0..sorted.len() {
                    if let Some(rank) = ranks.get_mut(dice.below(sorted.len())) {
                        *rank += 1;
                    }
                }
                median_of_ranks(&sorted, &ranks)
            })
            .collect();
        medians.sort_unstable_by(f64::total_cmp);
        Self {
            median: centre,
            low: quantile(&medians, 0.005),
            high: quantile(&medians, 0.995),
        }
    }

    /// Whether the whole interval lies within `bound` of zero.
    pub(crate) fn is_within(&self, bound: f64) -> bool {
        self.low >= -bound && self.high <= bound
    }
}

fn median_of_ranks(sorted: &[f64], drawn: &[u32]) -> f64 {
    let (total, mut seen) = (sorted.len(), 0_usize);
    let (lower, upper) = (total.saturating_sub(1) / 2, total / 2);
    let mut first = None;
    for (value, times) in sorted.iter().zip(drawn) {
        seen += *times as usize;
        if first.is_none() && seen > lower {
            first = Some(*value);
        }
        if seen > upper {
            return f64::midpoint(first.unwrap_or(*value), *value);
        }
    }
    f64::NAN
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these are exact")]
    fn medians_and_quantiles_are_those_of_the_books() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.5), 3.0);
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0, 5.0], 1.0), 5.0);
        assert_eq!(median_of_ranks(&[1.0, 2.0, 3.0], &[0, 1, 2]), 3.0);
        assert_eq!(median_of_ranks(&[1.0, 2.0], &[1, 1]), 1.5);
    }

    #[test]
    fn a_span_holds_the_truth_and_sees_a_difference() {
        let mut dice = Dice::new();
        let noise: Vec<f64> = (0..1_001).map(|it| f64::from(it - 500) / 500.0).collect();
        let span = MedianSpan::of(&noise, &mut dice);
        assert!(span.low <= 0.0 && span.high >= 0.0 && span.is_within(0.3));
        let shifted: Vec<f64> = noise.iter().map(|it| it + 0.5).collect();
        assert!(!MedianSpan::of(&shifted, &mut dice).is_within(0.3));
    }
}
