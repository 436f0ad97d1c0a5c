//! What a value is called: the identifier before it, without the words that every label has. `prod_access_key_id` and
//! `PROD_SECRET` both come to `prod`, which tells that they belong together.

/// Labels are looked for no further back than this, in bytes.
const REACH: usize = 192;
/// No more than this stands between a label and its value.
const GAP: usize = 48;

/// What a value is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Label {
    /// What distinguishes it from other labels of its kind, maybe nothing; `None` for a value without a label.
    pub(super) stem: Option<Vec<u8>>,
    /// It says that the value is out of use.
    pub(super) former: bool,
    /// It stands in an entry of its own, beside the value: `name: LABEL, value: …`.
    pub(super) in_entry: bool,
}

/// Words that say what a value is, and not whose. They are taken out wherever they stand: that stems are the same matters, not that
/// they are words. Longer ones come before what they begin with.
const ROLES: [&[u8]; 34] = [
    b"credentials",
    b"credential",
    b"creds",
    b"cred",
    b"identifier",
    b"id",
    b"accesskey",
    b"access",
    b"apikey",
    b"api",
    b"keys",
    b"key",
    b"secrets",
    b"secret",
    b"sessiontoken",
    b"session",
    b"security",
    b"token",
    b"passphrase",
    b"password",
    b"passwd",
    b"pass",
    b"pwd",
    b"username",
    b"user",
    b"login",
    b"amazon",
    b"amz",
    b"aws",
    b"iam",
    b"values",
    b"value",
    b"public",
    b"private",
];
/// Labels that only say that here is a value; what it is called stands before them.
const GENERIC: [&[u8]; 16] = [
    b"value", b"default", b"string", b"key", b"name", b"td", b"th", b"dd", b"dt", b"li", b"p", b"span", b"code",
    b"data", b"b", b"val",
];
/// Words that say that a value is out of use.
const FORMER: [&[u8]; 8] =
    [b"old", b"prev", b"previous", b"former", b"expired", b"revoked", b"deprecated", b"inactive"];

impl Label {
    /// The label of what begins at `start`. It stands after `floor`, where the value before it ends; one in a comment is like no
    /// other.
    pub(super) fn before(text: &[u8], start: usize, floor: usize, commented: bool) -> Self {
        let mut label = Self::without_comment(text, start, floor);
        if commented {
            label.stem.get_or_insert_default().insert(0, b'#');
        }
        label
    }

    fn without_comment(text: &[u8], start: usize, floor: usize) -> Self {
        let floor = floor.max(start.saturating_sub(REACH)).min(start);
        let mut window = &text[floor..start];
        let mut in_entry = false;
        for _ in 0..4 {
            let Some((before, name, gap)) = last_name(window) else {
                return Self::default();
            };
            let touches_value = before.is_empty() && floor > 0;
            if touches_value || !is_assignment(gap, name) {
                return Self::default();
            }
            let is_tag = gap.contains(&b'>') || gap.contains(&b'<');
            let is_generic = GENERIC.iter().any(|word| name.eq_ignore_ascii_case(word));
            let says_little = is_generic && (is_tag || !matches!(name, b"key" | b"b" | b"p" | b"KEY"));
            if !says_little {
                return Self::named(before, name, in_entry);
            }
            in_entry |= !is_tag;
            window = before;
        }
        Self::default()
    }

    fn named(before: &[u8], name: &[u8], in_entry: bool) -> Self {
        let former = words(name).any(|word| FORMER.iter().any(|former| word.eq_ignore_ascii_case(former)));
        let mut stem = stem(name);
        if stem.is_empty() && name.iter().all(u8::is_ascii_alphabetic) {
            stem = qualified(before);
        }
        Self { stem: Some(stem), former, in_entry }
    }

    /// Both have a label, and they say different things.
    pub(super) fn differs(&self, other: &Self) -> bool {
        self.stem.is_some() && other.stem.is_some() && self.stem != other.stem
    }

    /// Neither could be the other with something added.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        match (&self.stem, &other.stem) {
            (Some(a), Some(b)) => {
                let extends = |long: &[u8], short: &[u8]| long.starts_with(short) || long.ends_with(short);
                !extends(a, b) && !extends(b, a)
            }
            _ => false,
        }
    }
}

fn is_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'_'
}

/// The last identifier in `window`, with what stands before and after it; dots and dashes within belong to it.
fn last_name(window: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let end = window.iter().rposition(|&c| is_name(c))? + 1;
    let gap = &window[end..];
    if gap.len() > GAP {
        return None;
    }
    let start = window[..end].iter().rposition(|&c| !is_name(c) && c != b'.' && c != b'-').map_or(0, |at| at + 1);
    let name = &window[start..end];
    let dashes = name.iter().take_while(|&&c| !is_name(c)).count();
    Some((&window[..start], &name[dashes..], gap))
}

/// Whether what stands between a name and a value gives it to the value. Where it is only space or a comma, the name has to be one
/// of a credential.
fn is_assignment(gap: &[u8], name: &[u8]) -> bool {
    let has = |signs: &[u8]| gap.iter().any(|c| signs.contains(c));
    let lines = gap.iter().filter(|&&c| c == b'\n').count();
    if gap.is_empty() || has(b";}") || lines > 2 {
        return false;
    }
    let is_said = has(b"=:>|(") || gap.starts_with(b"</");
    is_said && !has(b",") || stem(name).len() < name.iter().filter(|c| c.is_ascii_alphanumeric()).count()
}

/// What distinguishes a name of a credential from others of its kind: letters and digits in lower case, without [`ROLES`].
pub(crate) fn stem(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b"_ak").or_else(|| name.strip_suffix(b"_sk")).unwrap_or(name);
    let name = if [&b"ak"[..], b"sk", b"AK", b"SK"].contains(&name) { b"" } else { name };
    let plain: Vec<u8> = name.iter().filter(|c| c.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect();
    let mut stem = Vec::new();
    let mut rest = &plain[..];
    while let Some((&first, others)) = rest.split_first() {
        match ROLES.iter().find_map(|role| rest.strip_prefix(*role)) {
            Some(after) => rest = after,
            None => {
                stem.push(first);
                rest = others;
            }
        }
    }
    stem
}

/// The stem of the words before a label of several: `Prod access key: …`.
fn qualified(before: &[u8]) -> Vec<u8> {
    let line =
        before.iter().rposition(|&c| c != b' ' && !c.is_ascii_alphabetic()).map_or(before, |at| &before[at + 1..]);
    if line.ends_with(b" ") && line.len() <= 32 { stem(line) } else { Vec::new() }
}

/// The words of an identifier: between signs, and from a capital after a small letter on.
fn words(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|c| !c.is_ascii_alphabetic())
        .flat_map(|run| run.chunk_by(|a, b| !(a.is_ascii_lowercase() && b.is_ascii_uppercase())))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stem of the label before `@`, `-` when there is none.
    fn labelled(text: &str) -> String {
        let start = text.find('@').unwrap();
        let floor = text.find('!').map_or(0, |at| at + 1);
        match Label::before(text.as_bytes(), start, floor, false).stem {
            Some(stem) => String::from_utf8(stem).unwrap(),
            None => "-".to_owned(),
        }
    }

    #[test]
    fn labels_of_a_pair_come_to_the_same() {
        for (id, secret, stem) in [
            ("prod_id = @", "prod_secret = @", "prod"),
            ("AWS_ACCESS_KEY_ID_2=@", "AWS_SECRET_ACCESS_KEY_2=@", "2"),
            ("\"stagingAccessKeyId\": \"@", "\"stagingSecretAccessKey\": \"@", "staging"),
            ("accesskey = '@", "secretkey = '@", ""),
            ("providerKeyId: @", "provider-secret: @", "prover"),
            ("backup.aws.accessKey=@", "backup.aws.secretKey=@", "backup"),
            ("Access key ID: @", "Secret access key: @", ""),
            ("Prod access key ID: @", "Prod secret access key: @", "prod"),
            ("--access-key @", "--secret-key @", ""),
            ("dev_ak: @", "dev_sk: @", "dev"),
        ] {
            assert_eq!((labelled(id), labelled(secret)), (stem.to_owned(), stem.to_owned()), "{id} {secret}");
        }
    }

    #[test]
    fn names_beside_a_value_are_its_label() {
        for text in [
            "- name: PROD_ID\n  value: @",
            "{\"name\": \"PROD_ID\", \"value\": \"@",
            "<key>ProdId</key>\n<string>@",
            "<tr><td>PROD_ID</td><td>@",
            "variable \"prod_id\" {\n  default = \"@",
            "os.environ[\"PROD_ID\"] = \"@",
            "setProperty(\"prod.id\", \"@",
        ] {
            assert_eq!(labelled(text), "prod", "{text}");
        }
    }

    #[test]
    fn what_only_stands_before_a_value_is_no_label() {
        for text in ["bob,@", "x = 1; @", "s3://ID!:@", "12:00:01 @", "bob\t@", "@", "x}: @", ",,,@"] {
            assert_eq!(labelled(text), "-", "{text}");
        }
    }

    #[test]
    fn values_out_of_use_are_known_by_a_whole_word() {
        let former = |text: &[u8]| Label::before(text, text.len(), 0, false).former;
        assert!(former(b"old_secret=") && former(b"awsSecretOld: ") && former(b"PREVIOUS_SECRET="));
        assert!(!former(b"gold_secret=") && !former(b"folderSecret="));
    }

    #[test]
    fn an_addition_does_not_clash() {
        let label = |stem: &str| Label { stem: Some(stem.into()), ..Label::default() };
        assert!(label("prod").clashes(&label("staging")));
        assert!(!label("prod").clashes(&label("prodold")) && !label("").clashes(&label("new")));
        assert!(label("prod").differs(&label("prodold")) && !label("prod").differs(&Label::default()));
    }
}
