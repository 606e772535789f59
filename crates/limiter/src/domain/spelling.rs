//! Suggestions for misspelt names.

/// The name that was probably meant. Its edit distance is at most a third of its length, and at most 4.
pub fn likely<'n>(misspelt: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    // no known name is half as long, and the cost of the distance is quadratic
    if misspelt.len() > 40 {
        return None;
    }
    let misspelt = normal(misspelt);
    names
        .into_iter()
        .map(|name| {
            let normal = normal(name);
            let begins = misspelt.len() >= 4 && normal.starts_with(&misspelt);
            (if begins { 1 } else { distance(&misspelt, &normal) }, name)
        })
        .filter(|(distance, name)| *distance <= (name.len() / 3).clamp(1, 4) && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The name that differs from `misspelt` by one or two typing errors. For names in a space that many programs share,
/// such as environment variables, where mere resemblance proves little.
pub fn slip<'n>(misspelt: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if misspelt.len() > 64 {
        return None;
    }
    let misspelt = normal(misspelt);
    let slips = |name: &'n str| {
        let normal = normal(name);
        let most = if misspelt.len().min(normal.len()) < 8 { 1 } else { 2 };
        // the difference in length is a lower bound of the distance, and cheap
        let near = misspelt.len().abs_diff(normal.len()) <= most;
        near.then(|| distance(&misspelt, &normal)).filter(|distance| *distance <= most).map(|distance| (distance, name))
    };
    names.into_iter().filter_map(slips).min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

fn normal(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The Damerau–Levenshtein distance: letters inserted, deleted, replaced, or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: [Vec<usize>; 3] = [vec![], (0..=b.len()).collect(), vec![]];
    for (i, x) in a.iter().enumerate() {
        let [older, old, new] = &mut rows;
        new.clear();
        new.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut cost = (old[j] + usize::from(x != y)).min(old[j + 1] + 1).min(new[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                cost = cost.min(older[j - 1] + 1);
            }
            new.push(cost);
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        let between = |a: &str, b: &str| distance(&letters(a), &letters(b));
        assert_eq!(between("", "abc"), 3);
        assert_eq!(between("kitten", "sitting"), 3);
        assert_eq!(between("ab", "ba"), 1);
    }

    #[test]
    fn slips_are_few_letters() {
        let names = ["RULES", "GRPC_PORT", "REDIS_URL", "HOST", "LOG_LEVEL"];
        let slip = |name: &str| slip(name, names);
        for (misspelt, meant) in
            [("RULSE", "RULES"), ("GRPC_PROT", "GRPC_PORT"), ("REDIS_ULR", "REDIS_URL"), ("LOGLEVEL", "LOG_LEVEL")]
        {
            assert_eq!(slip(misspelt), Some(meant), "{misspelt}");
        }
        for other in ["HOSTNAME", "HOME", "REDIS_PORT", "PATH", "GRPC_TRACE", ""] {
            assert_eq!(slip(other), None, "{other}");
        }
        assert_eq!(super::slip(&"x".repeat(1 << 20), names), None);
    }
}
