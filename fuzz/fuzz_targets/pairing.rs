//! Texts of ids, secrets, labels, brackets and signs in any order, one byte for each piece: whatever stands around them, each is found
//! once at most, and the way that runs regexes over everything agrees.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use keysweep::engine::Scanner;
use keysweep::engine::rule::RuleSet;
use libfuzzer_sys::fuzz_target;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(RuleSet::builtin()));
static PIECES: LazyLock<Vec<String>> = LazyLock::new(pieces);

/// Values are put together here, so that no scanner flags this file.
fn pieces() -> Vec<String> {
    let id = |kind: &str, rest: &str| [kind, rest].concat();
    let mut pieces = vec![
        id("AKIA", "SP2TPHJSQH3FJRUX"),
        id("AKIA", "V7S32T2OSBFJQOIY"),
        id("ASIA", "Y34FZKBOKMUTVV7A"),
        ["Vq1fZ8pTnW3sLk0yRb6/", "cXuEo9GdJh2+MtAiQ5Nv"].concat(),
        ["0qk9DFB5x4Qge79XQoTQ", "16xbjWb7h6MIvUzyDzfJ"].concat(),
        ["IQoJb3JpZ2lu", &"Vq1fZ8pTnW3sLk0yRb6/".repeat(8)].concat(),
    ];
    let signs = "\n|\r\n|\n\n| |  |    |\t|,|:|;|=| = |: |=>|\"|'|`|(|)|[|]|{|}|<|>|</|/>|\\|\\n|\\\"|%3D|&|&amp;|#|-|- |_|/|+|@|://|.|\0|[default]|\
        <key>|</key>|<value>|</value>|<td>|</td>|<tr>|</tr>|aws_access_key_id|aws_secret_access_key|aws_session_token|secret|\
        SecretAccessKey|AccessKeyId|secret_key|access_key|Access key ID,Secret access key|profile|prod|dev|old|new|1|2|export |x";
    pieces.extend(signs.split('|').map(str::to_owned));
    pieces
}

fuzz_target!(|choices: &[u8]| {
    let text: String = choices.iter().map(|&choice| PIECES[usize::from(choice) % PIECES.len()].as_str()).collect();
    let found = SCANNER.scan(text.as_bytes());
    assert_eq!(found, SCANNER.scan_slowly(text.as_bytes()));
    for found in &found.matches {
        let secrets: HashSet<_> = found.secrets.iter().map(|secret| secret.span).collect();
        assert_eq!(secrets.len(), found.secrets.len(), "a secret twice for one id");
    }
});
