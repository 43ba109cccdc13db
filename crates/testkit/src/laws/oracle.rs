//! The law of [`Oracle`].

use nlhf_core::{Oracle, Outcome, Query};

/// Checks that an oracle gives one answer a query, in batches of all, of one and of none.
///
/// A `steady` oracle always says the same of a pair: its answers must then not depend on the batch that a query stands in, nor on
/// its place there, so that answers in another order than the queries are found out. Of one that draws its answers only
/// their number can be checked.
///
/// # Panics
/// If the law is broken, or the oracle does not answer.
pub fn check_oracle<O: Oracle + ?Sized>(oracle: &mut O, queries: &[Query], steady: bool) {
    let mut ask = |queries: &[Query]| -> Vec<Outcome> {
        let answers = oracle.compare(queries).unwrap_or_else(|error| {
            panic!("the oracle does not answer {} queries: {error}", queries.len())
        });
        assert_eq!(answers.len(), queries.len(), "one answer a query");
        answers
    };
    ask(&[]);
    let together = ask(queries);
    let reversed: Vec<Query> = queries.iter().rev().copied().collect();
    let backwards = ask(&reversed);
    for ((query, answer), other) in queries.iter().zip(&together).zip(backwards.iter().rev()) {
        let alone = ask(std::slice::from_ref(query));
        if steady {
            assert_eq!(alone[0], *answer, "{query:?} alone, and among others");
            assert_eq!(other, answer, "{query:?} in reversed order");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::{Label, OracleError, PromptId, ResponseId};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        None,
        SkipsTheLast,
        Sorts,
        NeedsQueries,
        Counts,
    }

    struct Faulty(Fault, u32);

    impl Oracle for Faulty {
        fn compare(&mut self, queries: &[Query]) -> Result<Vec<Outcome>, OracleError> {
            if self.0 == Fault::NeedsQueries && queries.is_empty() {
                return Err(OracleError::Stopped);
            }
            let mut queries = queries.to_vec();
            if self.0 == Fault::SkipsTheLast {
                queries.pop();
            }
            if self.0 == Fault::Sorts {
                queries.sort_by_key(|query| query.first);
            }
            self.1 += 1;
            let drawn = if self.0 == Fault::Counts { self.1 % 2 } else { 0 };
            let wins = |query: &Query| (query.first < query.second) ^ (drawn == 1);
            let judge = |query| Outcome::new(if wins(query) { Label::WIN } else { Label::LOSS });
            Ok(queries.iter().map(judge).collect())
        }
    }

    #[test]
    fn answers_that_are_missing_or_out_of_order_are_found_out() {
        let query = |first, second| Query {
            prompt: PromptId::new(0),
            first: ResponseId::new(first),
            second: ResponseId::new(second),
        };
        let queries = [query(3, 1), query(0, 1), query(2, 1)];
        for (fault, steady, passes) in [
            (Fault::None, true, true),
            (Fault::SkipsTheLast, false, false),
            (Fault::Sorts, true, false),
            (Fault::NeedsQueries, false, false),
            (Fault::Counts, true, false),
            (Fault::Counts, false, true),
        ] {
            let check = || check_oracle(&mut Faulty(fault, 0), &queries, steady);
            assert_eq!(std::panic::catch_unwind(check).is_ok(), passes, "{fault:?}, {steady}");
        }
    }
}
