//! Keys that have `null` in the place of a value. That isn't the same as no key: transformers takes null for the value, so
//! that a step whose flag is null isn't done, and one that is done without a number that it needs is an error.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::{Class, Written};

/// The keys that are null.
#[derive(Debug, Clone, Default)]
pub(super) struct Nulls(Vec<String>);

impl Nulls {
    fn of(text: &str) -> Result<Self, String> {
        let keys: BTreeMap<String, Option<IgnoredAny>> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        Ok(Self(keys.into_iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key).collect()))
    }

    fn have(&self, key: &str) -> bool {
        self.0.iter().any(|null| null == key)
    }

    /// Refuses these keys where they are null. `step` says for what they are needed.
    fn refuse(&self, keys: &[&str], step: &str) -> Result<(), String> {
        match keys.iter().find(|key| self.have(key)) {
            None => Ok(()),
            Some(key) => Err(format!(
                "its `{key}` is null, and {step} needs one: write a value, or leave the key out for its class's own"
            )),
        }
    }
}

impl Written {
    /// The same where what is null in the text that it was read from is as it is meant.
    ///
    /// # Errors
    ///
    /// Names a key that is null and that a step needs which every class has.
    pub(in crate::processor) fn with_nulls_of(mut self, text: &str) -> Result<Self, String> {
        let nulls = Nulls::of(text)?;
        let flags = [
            ("do_resize", &mut self.do_resize),
            ("do_center_crop", &mut self.do_center_crop),
            ("do_rescale", &mut self.do_rescale),
            ("do_normalize", &mut self.do_normalize),
            ("do_pad", &mut self.do_pad),
            ("do_image_splitting", &mut self.do_image_splitting),
            ("crop_to_patches", &mut self.crop_to_patches),
            ("use_thumbnail", &mut self.naflex.use_thumbnail),
        ];
        for (key, flag) in flags {
            if nulls.have(key) {
                *flag = Some(false);
            }
        }
        let steps: [(Option<bool>, &[&str], &str); 3] = [
            (self.do_resize, &["resample"], "its resize (`do_resize`)"),
            (self.do_rescale, &["rescale_factor"], "its rescaling (`do_rescale`)"),
            (self.do_normalize, &["image_mean", "image_std"], "its normalisation (`do_normalize`)"),
        ];
        for (flag, keys, step) in steps {
            if flag.unwrap_or(true) {
                nulls.refuse(keys, step)?;
            }
        }
        self.nulls = nulls;
        Ok(self)
    }

    /// Refuses what is null and what this class needs.
    pub(super) fn refuse_nulls(&self, class: Class) -> Result<(), String> {
        if class.is_sized() && self.do_resize.unwrap_or(true) {
            self.nulls.refuse(&["size"], "its resize (`do_resize`)")?;
        }
        if self.do_center_crop.unwrap_or(class.crops()) {
            self.nulls.refuse(&["crop_size"], "its crop (`do_center_crop`)")?;
        }
        self.nulls.refuse(class.needs(), "its class")
    }
}
