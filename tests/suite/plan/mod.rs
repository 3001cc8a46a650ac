//! Tests of `plan` with the real binary: three-way comparison, reports, and the look-up of versions.

mod commit;
mod conflicts;
mod equal_names;
mod html;
mod origin_base;
mod origin_changes;
mod origin_copies;
mod origin_tag;
mod pull_request;
mod smoke_tests;
mod three_way;
mod unknown_versions;
