//! Many services under the published limits: no 429, and no longer than the limits impose. May import `model`.
