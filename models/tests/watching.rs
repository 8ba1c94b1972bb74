//! Videos shown to tiny models: the frames that are sampled, and replies, against goldens of transformers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails in a test's own helpers fails the test")]

#[path = "support/tiny.rs"]
mod support;
#[path = "support/videos.rs"]
mod videos;

use std::{fs, sync::Arc, time::Duration};

use percept_models::{
    ChatModel, Content, Conversation, FrameSampling, LoadOptions, LocalModel, Message, ModelFolder,
    Precision, Role, Video, VideoClass, VideoContent, VideoProcessor, WantedFrames,
};
use percept_runtime::{CacheForm, Silent};
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::{change_json, copy, data, greatest_difference, largest, load};
use videos::{folder, goldens, hex, reply};

/// The families that watch videos.
const FAMILIES: [&str; 8] = [
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
    "qwen3_vl_moe",
    "qwen3_5",
    "smolvlm",
    "internvl",
    "llava_onevision",
];

#[tokio::test]
async fn answers_about_videos_are_those_of_transformers() {
    for family in FAMILIES {
        let opened = ModelFolder::open(&folder(family), None).unwrap();
        let mut furthest = 0.0f32;
        for golden in goldens(family) {
            let case = format!("{family} {}", golden.name);
            golden.check_pixels(&opened, &case);
            let model = load(&folder(family), "cpu", CacheForm::Auto).await;
            assert!(model.watches_videos());
            let conversation = golden.conversation(family);
            let prompt = model.prompt(&conversation).await.unwrap();
            assert_eq!(prompt.rendered, golden.prompt, "{case}");
            assert_eq!(prompt.expanded, golden.expanded_prompt, "{case}");
            assert_eq!(prompt.tokens, golden.input_ids, "{case}");
            let positions = prompt.positions.map(|all| {
                let row = |of: fn(&percept_runtime::RopePosition) -> i64| all.iter().map(of).collect();
                [row(|place| place.time), row(|place| place.height), row(|place| place.width)]
            });
            assert_eq!(positions, golden.position_ids, "{case}");
            let (tokens, text, usage) = reply(&model, &conversation).await;
            assert_eq!((&tokens, text.as_str()), (&golden.greedy, golden.text.as_str()), "{case}");
            assert_eq!((usage.fresh_tokens, usage.cached_tokens), (golden.input_ids.len(), 0), "{case}");
            let logits = model.first_logits(&conversation).await.unwrap();
            let difference = greatest_difference(&logits, &golden.first_logits);
            assert!(difference < 1e-4, "{case}: {difference}");
            furthest = furthest.max(difference / largest(&golden.first_logits));
            // The same again: everything but the last token of the prompt is still in the cache.
            let (tokens, _, usage) = reply(&model, &conversation).await;
            assert_eq!((tokens, usage.fresh_tokens), (golden.greedy, 1), "{case}");
        }
        eprintln!("{family}: first logits {furthest:e} of the largest off");
        assert!(furthest < 1e-5, "{family}: first logits {furthest} of the largest off");
    }
}

/// A tower that is told where patches lie is told it layer by layer.
#[tokio::test]
async fn a_tower_that_is_told_where_patches_lie_watches_as_well() {
    let options = LoadOptions {
        device: "cpu".parse().unwrap(),
        precision: Some(Precision::named("indexed").unwrap()),
        ..LoadOptions::default()
    };
    let model = LocalModel::load(&folder("qwen2_5_vl"), options, Arc::new(Silent)).await.unwrap();
    let notes = model.card().notes.join("\n");
    assert!(notes.contains("vision_encoder is in indexed"), "{notes}");
    for golden in goldens("qwen2_5_vl") {
        assert_eq!(
            reply(&model, &golden.conversation("qwen2_5_vl")).await.0,
            golden.greedy,
            "{}",
            golden.name
        );
    }
}

/// A video is read from behind what the cache holds, and what the vision encoder made of it is remembered.
#[tokio::test]
async fn a_later_video_is_seen_as_if_each_turn_were_the_first() {
    for family in FAMILIES {
        let model = load(&folder(family), "cpu", CacheForm::Auto).await;
        let goldens = goldens(family);
        let golden = goldens.iter().find(|golden| golden.name == "video_later").unwrap();
        let turns = golden.conversation(family);
        let first: Conversation = turns.messages()[..1].iter().cloned().collect();
        let mut cached = Vec::new();
        for (conversation, is_whole) in [(&first, false), (&turns, true), (&first, false), (&turns, true)] {
            let (tokens, _, usage) = reply(&model, conversation).await;
            assert_eq!(tokens == golden.greedy, is_whole, "{family} after {cached:?}");
            cached.push(usage.cached_tokens);
        }
        assert!(cached[1] > 0 && cached[3] > 0, "{family}: {cached:?}");
    }
}

/// A video's last moment may lie beyond all of the prompt's text. The reply was written after that moment, and what follows
/// it counts on from the text: there it stands elsewhere.
#[tokio::test]
async fn a_question_after_a_long_videos_reply_is_answered_as_if_the_prompt_were_read_anew() {
    for family in ["qwen2_vl", "qwen2_5_vl"] {
        // Six frames of ten seconds each; Qwen2-VL counts a layer as one, and so needs many of them, in few rows and columns.
        let (_kept, shown) = match family {
            "qwen2_vl" => {
                let (kept, shown) = pictures(&[(16, 16); 100]);
                (Some(kept), shown)
            }
            _ => (None, VideoContent::new(Arc::new(videos::video("steps", 0.1))).unwrap()),
        };
        let message =
            Message { role: Role::User, content: vec![Content::Video(shown)] }.with_text("What changed?");
        let first: Conversation = [message].into_iter().collect();
        let model = load(&folder(family), "cpu", CacheForm::Auto).await;
        let prompt = model.prompt(&first).await.unwrap();
        let positions = prompt.positions.unwrap();
        let greatest = positions.iter().map(|place| place.greatest()).max().unwrap();
        assert!(greatest > positions.last().unwrap().time, "{family}: {positions:?}");

        let (written, text, _) = reply(&model, &first).await;
        let turns = [Message::text(Role::Assistant, &text), Message::text(Role::User, "And then?")];
        let second: Conversation = first.messages().iter().cloned().chain(turns).collect();
        let next = model.prompt(&second).await.unwrap().tokens;
        assert_eq!(next[..=prompt.tokens.len()], [&prompt.tokens[..], &written[..1]].concat(), "{family}");
        let (found, _, usage) = reply(&model, &second).await;
        assert_eq!(usage.cached_tokens, prompt.tokens.len(), "{family}: the prompt is kept, the reply isn't");
        model.forget_prompt();
        let (expected, _, _) = reply(&model, &second).await;
        assert_eq!(found, expected, "{family}");
    }
}

#[test]
fn the_frames_that_are_sampled_are_those_of_transformers() {
    let text = fs::read_to_string(data().join("videos/sampling.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(rows.len() > 300);
    for row in rows {
        let settings = row["settings"].to_string();
        let (total, rate) = (row["total"].as_u64().unwrap() as usize, row["rate"].as_f64().unwrap());
        let case = format!("{settings}: {total} frames at {rate}");
        let mut settings = row["settings"].clone();
        settings["patch_size"] = 14.into();
        let processor = VideoProcessor::from_json(&settings.to_string(), VideoClass::Qwen2Vl).unwrap();
        let found = processor.sampling.places(total, rate, total as f64 / rate);
        let Some(count) = row["count"].as_u64() else {
            assert!(found.is_err(), "{case}: {found:?}");
            continue;
        };
        let found = found.unwrap();
        let last: Vec<usize> = serde_json::from_value(row["last"].clone()).unwrap();
        assert_eq!(
            (found.len() as u64, &found[found.len().saturating_sub(6)..]),
            (count, &last[..]),
            "{case}"
        );
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        let digest = hex(&Sha256::digest(text.join(",")));
        assert_eq!(digest[..16], *row["sha256"].as_str().unwrap(), "{case}");
    }
}

/// The frame that `models/export/video_sizes.py` computes.
fn frame(number: usize, width: u32, height: u32) -> Arc<image::RgbImage> {
    let brighter = (40 * number) as u32;
    Arc::new(image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([0, 1, 2].map(|c| {
            let slopes = x * (3 + 2 * c) + y * (7 - c);
            (slopes + ((x / 8) ^ (y / 8)) * 29 * (c + 1) + x * y / 64 + brighter) as u8
        }))
    }))
}

#[test]
fn frames_of_every_size_become_what_transformers_makes_of_them() {
    let text = fs::read_to_string(data().join("videos/sizes.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of = |class: &str| rows.iter().filter(|row| row["settings"]["video_processor_type"] == class).count();
    assert!(of("Qwen2VLVideoProcessor") >= 40 && of("Qwen3VLVideoProcessor") >= 110);
    assert!(of("InternVLVideoProcessor") >= 45 && of("LlavaOnevisionVideoProcessor") >= 45);
    for row in rows {
        let settings = row["settings"].to_string();
        let [width, height]: [u32; 2] = serde_json::from_value(row["size"].clone()).unwrap();
        let count = row["frames"].as_u64().unwrap() as usize;
        let case = format!("{settings}: {count} frames of {width}×{height}");
        let processor = VideoProcessor::from_json(&settings, VideoClass::SmolVlm).unwrap();
        let frames: Vec<_> = (0..count).map(|number| frame(number, width, height)).collect();
        let made = processor.process(&frames);
        let Some(expected) = row["sha256"].as_str() else {
            assert!(made.is_err(), "{case}");
            continue;
        };
        let made = made.unwrap();
        let grid = made.patches.map(|grid| [grid.layers, grid.rows, grid.columns]);
        assert_eq!(serde_json::json!(grid), row["grid"], "{case}");
        let bytes: Vec<u8> = made.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(hex(&Sha256::digest(bytes)), expected, "{case}");
    }
}

/// Goldens of `SmolVLMVideoProcessor(size={"longest_edge": 5000}, max_image_size={"longest_edge": 64})` of transformers 5.23,
/// whose images are brought to other sizes first: their longest edge is bounded after the other side is made even.
#[test]
fn the_longest_edge_of_a_video_is_bounded_before_the_other_side_is_made_even() {
    let settings = r#"{"size": {"longest_edge": 5000}, "max_image_size": {"longest_edge": 64}}"#;
    let processor = VideoProcessor::from_json(settings, VideoClass::SmolVlm).unwrap();
    for (width, height, expected) in [
        (1280, 801, "851dabecc9ed600867275c584f60f53d7a590dca567584477650fd7d2fd963a2"),
        (601, 960, "bab358dc823831fb928b556070b0289687e50308b2cda2fd9490dc0c9622c201"),
    ] {
        let made = processor.process(&[frame(0, width, height)]).unwrap();
        let bytes: Vec<u8> = made.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        assert_eq!(hex(&Sha256::digest(bytes)), expected, "{width}×{height}");
    }
}

#[test]
fn frames_of_any_size_and_flags_that_are_null_are_refused_where_one_size_is_needed() {
    let cases = [
        (VideoClass::SmolVlm, r#"{"do_resize": false}"#, "no `do_resize`"),
        (VideoClass::SmolVlm, r#"{"do_resize": null}"#, "no `do_resize`"),
        (VideoClass::Qwen2Vl, r#"{"image_mean": null}"#, "its `image_mean` is null"),
        (VideoClass::Qwen3Vl, r#"{"resample": null}"#, "its `resample` is null"),
    ];
    for (class, settings, says) in cases {
        let error = VideoProcessor::from_json(settings, class).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let read = |text: &str| VideoProcessor::from_json(text, VideoClass::Qwen2Vl).unwrap();
    assert_eq!(read(r#"{"do_normalize": null, "image_std": null}"#), read(r#"{"do_normalize": false}"#));
}

/// Thousands of frames, each small: one frame is all that may be made of them before they are refused.
#[test]
fn frames_that_are_too_much_together_are_refused_before_they_are_made() {
    let cases = [
        (VideoClass::Qwen2Vl, r#"{"size": {"shortest_edge": 12544, "longest_edge": 12544}}"#, "in patches"),
        (
            VideoClass::Qwen3Vl,
            r#"{"size": {"shortest_edge": 400000000, "longest_edge": 400000000}}"#,
            "in patches",
        ),
        (VideoClass::SmolVlm, r#"{"size": {"height": 112, "width": 112}}"#, "in pictures"),
        (VideoClass::InternVl, r#"{"size": {"height": 112, "width": 112}}"#, "in pictures"),
        (VideoClass::LlavaOnevision, r#"{"size": 112}"#, "in pictures"),
    ];
    for (class, settings, says) in cases {
        let processor = VideoProcessor::from_json(settings, class).unwrap();
        let error = processor.process(&vec![frame(0, 112, 112); 40_000]).unwrap_err().to_string();
        assert!(error.contains(&format!("the video {says} has")), "{class:?}: {error}");
    }
}

#[test]
fn a_number_of_frames_that_no_video_has_is_counted_without_overflow() {
    for wanted in [
        WantedFrames::Number(usize::MAX),
        WantedFrames::Rate { rate: f64::MAX, least: usize::MAX, most: usize::MAX },
    ] {
        let found = FrameSampling::Steps { wanted, multiple: 3 }.places(10, 1.0, 10.0);
        let is_rate = matches!(wanted, WantedFrames::Rate { .. });
        assert_eq!(found.map(|places| places.len()).ok(), is_rate.then_some(9), "{wanted:?}");
        for sampling in
            [FrameSampling::Stretches { wanted, shift: None }, FrameSampling::Beginnings { wanted }]
        {
            assert!(sampling.places(10, 1.0, 10.0).is_err(), "{sampling:?}");
        }
    }
    let all: Vec<usize> = (0..10).collect();
    let wanted = WantedFrames::UpTo(usize::MAX);
    for sampling in [
        FrameSampling::Steps { wanted, multiple: 2 },
        FrameSampling::Even { wanted, fewest: 2 },
        FrameSampling::Stretches { wanted, shift: None },
        FrameSampling::Beginnings { wanted },
    ] {
        assert_eq!(sampling.places(10, 1.0, 10.0).unwrap(), all, "{sampling:?}");
    }
}

/// A video of pictures of these sizes, each shown for a second.
fn pictures(sizes: &[(u32, u32)]) -> (tempfile::TempDir, VideoContent) {
    let folder = tempfile::tempdir().unwrap();
    for (place, (width, height)) in sizes.iter().enumerate() {
        let colour = image::Rgb([(place * 37 % 256) as u8, 90, 160]);
        let path = folder.path().join(format!("{place}.png"));
        image::RgbImage::from_pixel(*width, *height, colour).save(path).unwrap();
    }
    let video = VideoContent::new(Arc::new(Video::open(folder.path()).unwrap())).unwrap();
    (folder, video)
}

#[tokio::test]
async fn a_video_that_cannot_be_watched_is_refused_with_what_to_do() {
    type Case = (&'static str, Vec<(u32, u32)>, &'static str);
    let cases: [Case; 8] = [
        ("internvl", vec![(40, 30), (40, 31)], "the 2nd of those that are seen has 40×31"),
        ("llava_next", vec![(40, 30); 3], "watches no videos: make images of one with `with_frames`"),
        ("qwen3_vl", vec![(40, 30)], "the video has 1 frame(s), and its model sees at least 2"),
        ("qwen3_5", vec![(1, 240); 4], "one side is more than 200 times the other"),
        ("qwen2_vl", vec![(40, 30)], "the video has 1 frame(s), and its model sees at least 2"),
        (
            "qwen2_vl",
            vec![(40, 30), (40, 30), (40, 31), (40, 30)],
            "the 3rd of those that are seen has 40×31",
        ),
        ("qwen2_vl", vec![(64, 64); 80], "the model's context holds 512: shorten it or show fewer frames"),
        ("llava", vec![(40, 30); 3], "watches no videos: make images of one with `with_frames`"),
    ];
    for (family, sizes, said) in cases {
        let (_kept, video) = pictures(&sizes);
        let model = load(&folder(family), "cpu", CacheForm::Auto).await;
        let message = Message { role: Role::User, content: vec![Content::Video(video)] }.with_text("What?");
        let conversation: Conversation = [message].into_iter().collect();
        let problem = model.prompt(&conversation).await.unwrap_err().to_string();
        assert!(problem.contains(said), "{problem:?} doesn't say {said:?}");
    }
}

#[tokio::test]
async fn a_video_becomes_images_for_a_model_that_watches_none() {
    let message = |video| {
        let message = Message { role: Role::User, content: Vec::new() }.with_video(video).with_text("What?");
        [message].into_iter().collect::<Conversation>()
    };
    // Frames of a second each; the most; the colours of those that are taken.
    let cases: [(usize, usize, &[usize]); 6] = [
        (1, 8, &[0]),
        (2, 8, &[0, 1]),
        (6, 8, &[0, 1, 2, 3, 4, 5]),
        (6, 3, &[0, 3, 5]),
        (6, 1, &[0]),
        (6, 0, &[0]),
    ];
    for (count, most, expected) in cases {
        let (_kept, video) = pictures(&vec![(8, 8); count]);
        let shown = message(video).with_frames(most).unwrap();
        let places: Vec<usize> =
            shown.images().map(|image| usize::from(image.pixels().as_raw()[0]) / 37).collect();
        assert_eq!(places, expected, "{count} frames, {most} at most");
        assert_eq!(shown.videos().count(), 0);
    }
    // Idefics has its frames looked at like any images: each token sees the last one before it.
    for family in ["llava", "idefics"] {
        let model = load(&folder(family), "cpu", CacheForm::Auto).await;
        let (_kept, video) = pictures(&[(40, 30); 3]);
        assert!(!model.watches_videos(), "{family}");
        let problem = model.prompt(&message(video.clone())).await.unwrap_err().to_string();
        assert!(problem.contains("watches no videos"), "{family}: {problem}");
        let shown = message(video).with_frames(2).unwrap();
        assert_eq!(model.prompt(&shown).await.unwrap().rendered.matches("<image>").count(), 2, "{family}");
        let said = model.first_logits(&shown).await.unwrap();
        let mut backwards = shown.messages()[0].clone();
        backwards.content.swap(0, 1);
        let other = model.first_logits(&[backwards].into_iter().collect()).await.unwrap();
        assert!(greatest_difference(&said, &other) > 1e-3, "{family}: the frames aren't seen in their order");
    }
}

/// A page that writes the token of a video shows none.
#[tokio::test]
async fn a_videos_token_that_is_typed_in_is_text() {
    for (family, token) in
        [("qwen2_vl", "<|video_pad|>"), ("internvl", "<video>"), ("llava_onevision", "<video>")]
    {
        let model = load(&folder(family), "cpu", CacheForm::Auto).await;
        let typed = Message::text(Role::User, format!("See {token} and <|vision_start|>."));
        let prompt = model.prompt(&[typed].into_iter().collect()).await.unwrap();
        assert!(!prompt.expanded.contains(token), "{family}: {}", prompt.expanded);
    }
}

/// What the folder's processor says of a video of so many frames, each shown for a second.
fn sampled(settings: &str, class: VideoClass, frames: usize) -> Result<Vec<usize>, String> {
    VideoProcessor::from_json(settings, class)?.sampling.places(frames, 1.0, frames as f64)
}

#[test]
fn families_that_see_frames_as_pictures_see_eight_or_what_their_folder_says() {
    use VideoClass::{InternVl, LlavaOnevision};
    let nobody_said = r#"{"do_sample_frames": false, "num_frames": null, "fps": null}"#;
    let cases: [(&str, VideoClass, usize, &[usize]); 9] = [
        ("{}", InternVl, 1, &[0]),
        ("{}", InternVl, 8, &[0, 1, 2, 3, 4, 5, 6, 7]),
        ("{}", InternVl, 16, &[1, 3, 5, 7, 9, 11, 13, 15]),
        (nobody_said, LlavaOnevision, 3, &[0, 1, 2]),
        (nobody_said, LlavaOnevision, 16, &[0, 2, 4, 6, 8, 10, 12, 14]),
        (r#"{"num_frames": 3}"#, InternVl, 16, &[2, 8, 13]),
        (r#"{"num_frames": 3}"#, LlavaOnevision, 16, &[0, 5, 10]),
        (r#"{"fps": 0.25}"#, InternVl, 16, &[2, 6, 10, 14]),
        // Less than one frame is one to LLaVA-OneVision's class alone.
        (r#"{"fps": 0.01}"#, LlavaOnevision, 16, &[0]),
    ];
    for (settings, class, frames, places) in cases {
        assert_eq!(sampled(settings, class, frames).unwrap(), places, "{class:?} {settings} {frames}");
    }
    let refused = [
        (
            r#"{"num_frames": 9}"#,
            InternVl,
            8,
            "the video has 8 frame(s), and its model's video processor wants 9",
        ),
        (
            r#"{"num_frames": 9}"#,
            LlavaOnevision,
            8,
            "name another number there, or show the frames as images",
        ),
        (r#"{"fps": 2}"#, LlavaOnevision, 8, "wants 16 of them"),
        (r#"{"fps": 0.01}"#, InternVl, 8, "wants 0 of them"),
        (r#"{"num_frames": 2, "initial_shift": 8}"#, InternVl, 8, "begins 8 frames after the first"),
        (r#"{"initial_shift": -1}"#, InternVl, 8, "its `initial_shift` is -1"),
        (r#"{"num_frames": 0}"#, InternVl, 8, "its `num_frames` is 0"),
        (r#"{"fps": 0}"#, LlavaOnevision, 8, "its `fps` is 0"),
        (r#"{"fps": 1, "num_frames": 4}"#, LlavaOnevision, 8, "one of them counts"),
        (r#"{"size": {"longest_edge": 40}}"#, InternVl, 8, "isn't height and width or a shortest edge"),
        ("{}", InternVl, 0, "the video has 0 frame(s)"),
    ];
    for (settings, class, frames, says) in refused {
        let problem = sampled(settings, class, frames).unwrap_err();
        assert!(problem.contains(says), "{class:?} {settings}: {problem}");
    }
}

#[tokio::test]
async fn frames_whose_features_arent_counted_as_the_encoder_gives_them_are_refused() {
    let cases = [
        (
            "llava_onevision-tiny",
            "num_image_tokens",
            16,
            "numbers for 3 frames, which aren't 16 features of 48",
        ),
        ("internvl-tiny", "image_seq_length", 5, "aren't one row of 48 for each image token"),
    ];
    for (name, key, value, says) in cases {
        let (_kept, path) = copy(name);
        change_json(&path.join("processor_config.json"), |config| config[key] = value.into());
        let model = load(&path, "cpu", CacheForm::Auto).await;
        let (_frames, video) = pictures(&[(40, 30); 3]);
        let message = Message { role: Role::User, content: vec![Content::Video(video)] }.with_text("What?");
        let error = model.first_logits(&[message].into_iter().collect()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
}

#[test]
fn a_folder_says_how_its_videos_are_sampled() {
    let read = |change: &dyn Fn(&std::path::Path)| {
        let (_kept, path) = copy("qwen2_vl-tiny");
        change(&path);
        ModelFolder::open(&path, None).map(|folder| {
            let video = Video::open_folder(&data().join("videos/steps"), 1.0).unwrap();
            let processor = folder.video?;
            let sampled = processor.sample(&video).unwrap();
            assert_eq!(sampled.duration, Duration::from_secs(7));
            Some(sampled.places)
        })
    };
    let whole = vec![0, 1, 2, 3, 4, 5];
    assert_eq!(read(&|_| ()).unwrap(), Some(whole));
    let own = |text: &'static str| {
        move |path: &std::path::Path| fs::write(path.join("video_preprocessor_config.json"), text).unwrap()
    };
    assert_eq!(read(&own(r#"{"fps": 0.6}"#)).unwrap(), Some(vec![0, 1, 3, 5]));
    assert_eq!(read(&own(r#"{"num_frames": 2}"#)).unwrap(), Some(vec![0, 3]));
    // Newer folders have everything in one file, which comes first.
    let nested = |path: &std::path::Path| {
        own(r#"{"num_frames": 2}"#)(path);
        change_json(&path.join("processor_config.json"), |config| {
            config["video_processor"] = serde_json::json!({"num_frames": 4});
        });
    };
    assert_eq!(read(&nested).unwrap(), Some(vec![0, 1, 3, 5]));
    // A template that shows no videos makes a model that watches none.
    let still = |path: &std::path::Path| {
        let template = path.join("chat_template.jinja");
        let text = fs::read_to_string(&template).unwrap();
        fs::write(&template, text.replace("<|video_pad|>", "")).unwrap();
    };
    assert_eq!(read(&still).unwrap(), None);
    for (text, said) in [
        (r#"{"video_processor_type": "OtherVideoProcessor"}"#, "`OtherVideoProcessor` isn't known"),
        (r#"{"fps": 0}"#, "its `fps` is 0"),
        (r#"{"fps": 1, "num_frames": 4}"#, "one of them counts"),
        (r#"{"num_frames": 0}"#, "its `num_frames` is 0; known are 1 to 4096"),
        (r#"{"num_frames": 2305843009213693952}"#, "known are 1 to 4096"),
        (
            r#"{"video_processor_type": "Qwen3VLVideoProcessor", "num_frames": 1000000000000}"#,
            "known are 1 to 4096",
        ),
        ("{", "EOF"),
    ] {
        let problem = read(&own(text)).unwrap_err().to_string();
        assert!(problem.contains(said) && problem.contains("video_preprocessor_config.json"), "{problem}");
    }
}
