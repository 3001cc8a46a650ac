//! Divides the available room of a report among its parts, in bytes.

/// Divides `room` among the parts, and returns the share of each part. `wanted` has the length of each part. Room that
/// a short part does not need goes to the longer ones.
pub(super) fn share(room: usize, wanted: &[usize]) -> Vec<usize> {
    let mut shares = vec![0; wanted.len()];
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&part| wanted[part]);
    let mut left = room;
    for (done, &part) in order.iter().enumerate() {
        shares[part] = wanted[part].min(left / (order.len() - done));
        left -= shares[part];
    }
    shares
}

/// Joins the first items with `between`, as many as fit into `room` bytes. Returns the joined text, and the number of
/// items that did not fit.
pub(super) fn fill(
    items: impl ExactSizeIterator<Item = impl AsRef<str>>,
    between: &str,
    room: usize,
) -> (String, usize) {
    let mut out = String::new();
    let mut hidden = items.len();
    for item in items {
        let item = item.as_ref();
        if out.len() + between.len() + item.len() > room {
            break;
        }
        if !out.is_empty() {
            out.push_str(between);
        }
        out.push_str(item);
        hidden -= 1;
    }
    (out, hidden)
}

#[cfg(test)]
mod tests {
    use super::{fill, share};

    #[test]
    fn small_parts_leave_room_for_large_ones() {
        assert_eq!(share(100, &[500, 10, 0, 200]), [45, 10, 0, 45]);
        assert_eq!(share(100, &[20, 30]), [20, 30]);
        assert_eq!(share(3, &[5, 5, 5, 5]), [0, 1, 1, 1]);
        assert_eq!(share(5, &[]), Vec::<usize>::new());
    }

    #[test]
    fn items_that_do_not_fit_are_counted() {
        assert_eq!(fill(["ab", "cd", "ef"].iter(), ", ", 8), ("ab, cd".to_owned(), 1));
        assert_eq!(fill(["ab"].iter(), ", ", 3), (String::new(), 1));
    }
}
