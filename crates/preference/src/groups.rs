//! The graph of comparisons: which responses hang together, and which only ever win or lose.

use crate::PairCount;
use crate::arrow::Row;
use nlhf_core::{FitError, ResponseId, Separation};

/// Responses of one group beyond which its dense matrices take more than 512 MiB each.
const GROUP_LIMIT: usize = 8192;

/// The connected groups of responses that were compared, in the order of their lowest ids.
#[derive(Debug)]
pub(crate) struct Groups {
    members: Vec<Vec<ResponseId>>,
    places: Vec<Option<(usize, usize)>>,
}

impl Groups {
    /// The groups of compared pairs, and of lists of responses that count as compared.
    pub(crate) fn new(pairs: &[PairCount], together: &[Vec<ResponseId>]) -> Self {
        let links = || {
            let listed = together.iter().flat_map(|list| list.iter().map(|r| (list[0], *r)));
            pairs.iter().map(|pair| (pair.low, pair.high)).chain(listed)
        };
        let n = links().map(|(low, high)| low.max(high).index() + 1).max().unwrap_or(0);
        let mut parent: Vec<usize> = (0..n).collect();
        let mut compared = vec![false; n];
        for (low, high) in links() {
            let (i, j) = (low.index(), high.index());
            (compared[i], compared[j]) = (true, true);
            let (i, j) = (root(&mut parent, i), root(&mut parent, j));
            parent[i.max(j)] = i.min(j);
        }
        let mut members: Vec<Vec<ResponseId>> = Vec::new();
        let mut group_of_root = vec![None; n];
        let mut places = vec![None; n];
        for i in (0..n).filter(|&i| compared[i]) {
            let group = *group_of_root[root(&mut parent, i)].get_or_insert_with(|| {
                members.push(Vec::new());
                members.len() - 1
            });
            places[i] = Some((group, members[group].len()));
            members[group].push(ResponseId::from_index(i));
        }
        Self { members, places }
    }

    /// The groups to fit `model` to, and what is separated within them or from one another.
    ///
    /// # Errors
    /// [`FitError::TooLarge`] if a group is.
    pub(crate) fn for_fit(
        pairs: &[PairCount],
        together: &[Vec<ResponseId>],
        model: &'static str,
    ) -> Result<(Option<Separation>, Self), FitError> {
        let compared = Self::new(pairs, &[]);
        let responses = separated(pairs, &compared);
        let separation = (!responses.is_empty() || compared.len() > 1)
            .then(|| Separation { responses, n_groups: compared.len() });
        let groups = Self::new(pairs, together);
        match groups.members.iter().map(Vec::len).max().filter(|n| *n > GROUP_LIMIT) {
            Some(given) => Err(FitError::TooLarge { model, limit: GROUP_LIMIT, given }),
            None => Ok((separation, groups)),
        }
    }

    /// Pairs as differences of scores, one block a group, with the sizes of the blocks.
    pub(crate) fn rows(&self, pairs: &[PairCount]) -> (Vec<usize>, Vec<Row>) {
        let place = |response| self.place(response).expect("a compared response has a group");
        let row = |pair: &PairCount| {
            let ((block, first), (_, second)) = (place(pair.low), place(pair.high));
            Row { block, first, second: Some(second) }
        };
        (self.members.iter().map(Vec::len).collect(), pairs.iter().map(row).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn members(&self) -> &[Vec<ResponseId>] {
        &self.members
    }

    /// Of each response, its group and its place in it.
    pub(crate) fn places(&self) -> &[Option<(usize, usize)>] {
        &self.places
    }

    pub(crate) fn place(&self, response: ResponseId) -> Option<(usize, usize)> {
        self.places.get(response.index()).copied().flatten()
    }

    /// The pairs of each group.
    pub(crate) fn split(&self, pairs: &[PairCount]) -> Vec<Vec<PairCount>> {
        let mut split = vec![Vec::new(); self.len()];
        for pair in pairs {
            if let Some((group, _)) = self.place(pair.low) {
                split[group].push(*pair);
            }
        }
        split
    }
}

/// The representative of a set, halving the path to it on the way.
fn root(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

/// The responses outside the largest strongly connected part of their group in the digraph "beat with a
/// positive weight": what beats only, or is only beaten, has no finite maximum-likelihood score.
pub(crate) fn separated(pairs: &[PairCount], groups: &Groups) -> Vec<ResponseId> {
    let n = groups.places.len();
    let (mut beats, mut beaten_by) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    for pair in pairs {
        let (low, high) = (pair.low.index(), pair.high.index());
        if pair.wins > 0.0 {
            beats[low].push(high);
            beaten_by[high].push(low);
        }
        if pair.wins < pair.weight {
            beats[high].push(low);
            beaten_by[low].push(high);
        }
    }
    // Kosaraju: parts are the trees of a search over the reversed graph in reverse finishing order.
    let mut finished = Vec::with_capacity(n);
    let mut seen = vec![false; n];
    for start in 0..n {
        search(start, &beats, &mut seen, &mut finished);
    }
    let mut part = vec![usize::MAX; n];
    let mut sizes = Vec::new();
    let mut seen = vec![false; n];
    for &start in finished.iter().rev() {
        let mut tree = Vec::new();
        search(start, &beaten_by, &mut seen, &mut tree);
        if !tree.is_empty() {
            for &i in &tree {
                part[i] = sizes.len();
            }
            sizes.push(tree.len());
        }
    }
    let mut separated = Vec::new();
    for members in &groups.members {
        let sizes_here = members.iter().map(|m| (sizes[part[m.index()]], part[m.index()]));
        let Some((_, largest)) = sizes_here.max_by_key(|&(size, part)| (size, usize::MAX - part))
        else {
            continue;
        };
        separated.extend(members.iter().filter(|m| part[m.index()] != largest));
    }
    separated.sort_unstable();
    separated
}

/// Depth-first search without recursion; appends what it reaches in finishing order.
fn search(start: usize, edges: &[Vec<usize>], seen: &mut [bool], finished: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut path = vec![(start, 0)];
    while let Some((at, next)) = path.last_mut() {
        if let Some(&to) = edges[*at].get(*next) {
            *next += 1;
            if !std::mem::replace(&mut seen[to], true) {
                path.push((to, 0));
            }
        } else {
            finished.push(*at);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nlhf_core::PromptId;

    fn pair(low: u32, high: u32, wins: f64) -> PairCount {
        let (low, high) = (ResponseId::new(low), ResponseId::new(high));
        PairCount { prompt: PromptId::new(0), low, high, weight: 1.0, wins }
    }

    #[test]
    fn a_circle_hangs_together_and_a_champion_does_not() {
        // 1 → 2 → 5 → 1 is a circle, 3 beats 5, 8 ties with 9.
        let pairs =
            [pair(1, 2, 1.0), pair(2, 5, 1.0), pair(1, 5, 0.0), pair(3, 5, 1.0), pair(8, 9, 0.5)];
        let groups = Groups::new(&pairs, &[]);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups.members()[0].iter().map(|m| m.index()).collect::<Vec<_>>(), [1, 2, 3, 5]);
        assert_eq!(groups.place(ResponseId::new(4)), None);
        assert_eq!(separated(&pairs, &groups), [ResponseId::new(3)]);
        let listed = [vec![ResponseId::new(2), ResponseId::new(8)], vec![ResponseId::new(12)]];
        let groups = Groups::new(&pairs, &listed);
        assert_eq!(groups.members().iter().map(Vec::len).collect::<Vec<_>>(), [6, 1]);
    }
}
