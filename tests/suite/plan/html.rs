//! Tests of `plan --format html` with the real binary: the content security policy, and the plan in the page.

use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

use crate::harness::Lab;
use crate::on_both_apis;

const SEED: &str = "\
organizations:
  acme:
    agents: [{name: Coach Maya, versions: 3}, {name: Coach Noor, versions: 3}]
    context_graphs: [{name: Coaching Flow, versions: 3}]
";

const MANIFESTS: &str = "\
service: Health Coach
description: |
  Coaches members.
  ::add-mask::coach
  ##[error]of <all> kinds
agent: Coach Maya
context_graph: Coaching Flow
lifecycle: {on_agent_change: replace}
";

/// Returns the SHA-256 of a text in Base64, as a content security policy contains it.
fn hash(text: &str) -> String {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("it is of TLS 1.3");
    let digest = suite.common.hash_provider.hash(text.as_bytes());
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in digest.as_ref().chunks(3) {
        let number = (0..3).fold(0u32, |number, at| (number << 8) | u32::from(*three.get(at).unwrap_or(&0)));
        for at in 0..=three.len() {
            out.push(char::from(letters[(number >> (18 - 6 * at)) as usize & 63]));
        }
    }
    out.push_str("==".get(..(3 - digest.as_ref().len() % 3) % 3).unwrap_or_default());
    out
}

/// Returns the text between `begin`, which must occur only once, and `end`.
#[track_caller]
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(begin).unwrap_or_else(|| panic!("no {begin}"));
    let (inside, after) = rest.split_once(end).unwrap_or_else(|| panic!("no {end}"));
    assert!(!after.contains(begin), "{begin} twice");
    inside
}

#[test]
fn the_hash_function_gives_a_known_policy_hash() {
    assert_eq!(hash("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
}

on_both_apis! {
    fn the_page_contains_the_plan_and_a_strict_policy(api: Api) {
        let lab = Lab::on(api, SEED);
        lab.manifests(MANIFESTS);
        let page = lab.run(&["plan", "--format", "html", "--detailed-exitcode"]).expect(2).stdout;
        assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
        // Lines that a CI system would execute as commands are escaped. A reader sees them unchanged.
        let said = "Coaches members.\n&#58;:add-mask::coach\n&#35;&#35;[error]of &lt;all&gt; kinds";
        assert!(page.contains(said), "{page}");
        let policy = between(&page, "<meta http-equiv=\"Content-Security-Policy\" content=\"", "\"");
        let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
        assert_eq!(
            policy.replace("&#39;", "'"),
            format!(
                "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
                hash(style),
                hash(script)
            ),
            "src/report/html/page.policy has the hashes of page.css and page.js"
        );
        assert!(!page.contains("style=") && !page.contains("src=") && !page.contains("://"), "nothing is fetched");

        lab.apply().expect(0);
        let nothing = lab.run(&["plan", "--format", "html", "--detailed-exitcode"]).expect(0).stdout;
        assert!(nothing.contains("<b>Nothing to do.</b> 1 service as declared."), "{nothing}");

        lab.manifests(&MANIFESTS.replace("Coach Maya", "Coach Noor"));
        let replaced = lab.run(&["plan", "--format", "html"]).expect(0).stdout;
        for said in ["data-kind=\"replace\"", "<del>Coach Maya</del> → <ins>Coach Noor</ins>", "How the new service takes over", "new id"] {
            assert!(replaced.contains(said), "{said}: {replaced}");
        }
    }
}
