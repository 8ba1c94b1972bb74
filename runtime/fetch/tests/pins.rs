//! The pins themselves: whole, and (when asked) what the registries still serve.

use percept_fetch::{Cache, Checksum, Part, Platform, Progress, Silent, pins};

fn all() -> Vec<&'static Part> {
    let mut all = vec![
        &pins::ONNXRUNTIME,
        &pins::ONNXRUNTIME_NPM,
        &pins::ONNXRUNTIME_GPU,
        &pins::WEBGPU_PLUGIN,
        &pins::BROWSER,
        &pins::SOFTWARE_VULKAN,
    ];
    all.extend(pins::CUDA);
    all
}

#[test]
fn every_pin_is_whole() {
    for part in all() {
        let title = part.archive.title();
        assert!(part.archive.parts.contains(&part.name), "{title} doesn't know its part {}", part.name);
        for build in part.archive.builds {
            let whole = match build.checksum {
                Checksum::Sha256(text) => {
                    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
                }
                Checksum::Sha512(text) => text.len() == 88 && text.ends_with("=="),
            };
            assert!(whole, "{title} for {}: {}", build.platform, build.checksum);
            let named =
                part.items.iter().any(|(platform, items)| *platform == build.platform && !items.is_empty());
            assert!(named, "{title} names no files for {}", build.platform);
        }
        for (platform, _) in part.items {
            assert!(
                part.archive.builds.iter().any(|build| build.platform == *platform),
                "{title} names files for {platform}, and no checksum"
            );
        }
    }
}

/// Into a cache of its own, so that everything is fetched: `PERCEPT_CACHE=$(mktemp -d) cargo test -p percept-fetch
/// --test pins -- --ignored`.
#[test]
#[ignore = "fetches a gigabyte; run it when a pin changes"]
fn the_registries_serve_what_was_pinned() {
    let cache = Cache::open().unwrap();
    for part in all() {
        if part.archive.builds.iter().all(|build| Some(build.platform) != Platform::here()) {
            continue;
        }
        let progress: &dyn Progress = &Silent;
        let folder = cache.obtain(part, progress).unwrap();
        for file in part.files() {
            assert!(folder.join(file).is_file(), "{file} of {}", part.archive.title());
        }
        println!("{} {}: {}", part.archive.title(), part.name, folder.display());
    }
}
