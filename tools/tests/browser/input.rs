//! The mouse and the keyboard, as the page hears them.

use percept_tools::{Input, Key, MouseButton, Screen, ScreenPoint};

use crate::open;

fn click(x: f64, y: f64, button: MouseButton, count: u32) -> Input {
    Input::Click { at: ScreenPoint { x, y }, button, count }
}

/// Writes the events of some kinds onto the page, a word each.
fn listening(kinds: &str, body: &str) -> String {
    format!(
        "<style>body {{ margin: 0 }} #heard {{ position: fixed; bottom: 0 }}</style>{body}<div id=heard></div>\
         <script>for (const kind of '{kinds}'.split(' ')) addEventListener(kind, (e) => {{\
         heard.append(kind, e.key ? `:${{e.key}}` : '', kind.startsWith('mouse') ? `:${{e.buttons}}` : '', ' ') }})</script>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn clicks_are_heard_as_from_a_mouse() {
    let cases = [
        (click(20.0, 20.0, MouseButton::Left, 1), "mousedown:1 mouseup:0 click"),
        (
            click(20.0, 20.0, MouseButton::Left, 2),
            "mousedown:1 mouseup:0 click mousedown:1 mouseup:0 click dblclick",
        ),
        (click(20.0, 20.0, MouseButton::Right, 1), "mousedown:2 contextmenu mouseup:0"),
        (click(20.0, 20.0, MouseButton::Middle, 1), "mousedown:4 mouseup:0"),
    ];
    let opened = open("").await;
    for (input, heard) in cases {
        opened.show(&listening("mousedown mouseup click dblclick contextmenu", "")).await;
        opened.browser.act(&input).await.unwrap();
        assert_eq!(opened.text().await, heard, "{input:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_arrives_as_keys_and_as_input_events() {
    let html = listening("keydown input", "<textarea autofocus rows=3></textarea>");
    let opened = open(&html).await;
    opened.browser.act(&Input::Text("aB\né".into())).await.unwrap();
    let heard = "keydown:a input keydown:B input keydown:Enter input input";
    assert_eq!(opened.text().await, format!("aB é\n{heard}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_character_of_a_us_keyboard_is_typed_as_itself() {
    let all: String = (' '..='~').collect();
    let opened = open("<textarea autofocus style='width:320px' rows=6></textarea>").await;
    opened.browser.act(&Input::Text(all.clone())).await.unwrap();
    assert_eq!(opened.text().await, all.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_chords_do_what_they_do() {
    let form = "<form onsubmit='document.body.append(\"sent\"); return false'><input id=a value=one autofocus><input id=b value=two><input type=submit hidden></form>";
    let cases: [(&[&str], &str); 6] = [
        (&["Enter"], "one\ntwo\nsent"),
        (&["End", "Backspace"], "on\ntwo"),
        (&["Control+a", "Delete"], "two"),
        (&["Tab", "Control+a", "x"], "one\nx"),
        (&["Tab", "Shift+Tab", "End", "Shift+a"], "oneA\ntwo"),
        (&["Home", "ArrowRight", "Delete"], "oe\ntwo"),
    ];
    let opened = open("").await;
    for (keys, expected) in cases {
        opened.show(form).await;
        opened.look().await;
        for key in keys {
            opened.browser.act(&Input::Press(Key((*key).into()))).await.unwrap();
        }
        assert_eq!(opened.text().await, expected, "{keys:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_none_and_a_point_outside_are_refused() {
    let opened = open("").await;
    let cases = [
        (Input::Press(Key("Entr".into())), "`Entr` is no key"),
        (click(332.0, 5.0, MouseButton::Left, 1), "(332, 5) lies outside the page's 332×214"),
        (click(-0.5, 5.0, MouseButton::Left, 1), "(-0.5, 5) lies outside the page's 332×214"),
        (click(f64::NAN, 5.0, MouseButton::Left, 1), "(NaN, 5) lies outside"),
        (Input::Navigate("example".into()), "`example` is no address"),
    ];
    for (input, expected) in cases {
        let error = opened.browser.act(&input).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drag_moves_a_slider_and_drops_an_item() {
    let slider = "<input type=range min=0 max=100 value=0 style='position:fixed;left:0;top:0;width:200px;margin:0;height:20px'\
        oninput='out.textContent = value'><p id=out style='margin-top:40px'>";
    let opened = open(slider).await;
    opened.look().await;
    let (from, to) = (ScreenPoint { x: 8.0, y: 10.0 }, ScreenPoint { x: 192.0, y: 10.0 });
    opened.browser.act(&Input::Drag { from, to }).await.unwrap();
    assert_eq!(opened.text().await, "100");

    let items = "<div draggable=true style='position:fixed;left:0;top:0;width:50px;height:50px;background:red'\
        ondragstart='event.dataTransfer.setData(\"text\", \"apple\")'></div>\
        <div style='position:fixed;left:100px;top:100px;width:100px;height:50px' ondragover='event.preventDefault()'\
        ondrop='event.preventDefault(); this.textContent = event.dataTransfer.getData(\"text\")'>basket</div>";
    let opened = open(items).await;
    opened.look().await;
    let (from, to) = (ScreenPoint { x: 25.0, y: 25.0 }, ScreenPoint { x: 150.0, y: 125.0 });
    opened.browser.act(&Input::Drag { from, to }).await.unwrap();
    assert_eq!(opened.text().await, "apple");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wheel_scrolls_by_as_much_as_it_says() {
    let html = "<div style='position:fixed;top:0;left:0' id=out>0,0</div><div style='width:3000px;height:3000px'></div>\
        <script>addEventListener('scroll', () => { out.textContent = `${scrollX},${scrollY}` })</script>";
    let opened = open(html).await;
    opened.look().await;
    let at = ScreenPoint { x: 100.0, y: 100.0 };
    for (right, down, expected) in [(0.0, 150.0, "0,150"), (40.0, 0.0, "40,150"), (0.0, -100.0, "40,50")] {
        opened.browser.act(&Input::Scroll { at, right, down }).await.unwrap();
        assert_eq!(opened.text().await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_window_is_shown_until_it_closes() {
    let html = "<button style='position:fixed;inset:0;width:100%' onclick='window.open(\"other.html\")'>first</button>";
    let opened = open(html).await;
    let other = "<button style='position:fixed;inset:0;width:100%' onclick='window.close()'>second</button>";
    std::fs::write(opened.folder.path().join("other.html"), other).unwrap();
    assert_eq!(opened.text().await, "first");
    let press = click(50.0, 50.0, MouseButton::Left, 1);
    opened.browser.act(&press).await.unwrap();
    let shot = opened.look().await;
    assert_eq!(shot.notes, ["a new window was opened and is shown now"]);
    assert_eq!(shot.pixels.dimensions(), (332, 214));
    assert_eq!(opened.text().await, "second");
    // The window may be gone before the click's last answer comes.
    let _ = opened.browser.act(&press).await;
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(opened.look().await.notes, ["the window was closed, and the one before it is shown now"]);
    assert_eq!(opened.text().await, "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_and_file_choosers_are_refused_and_told() {
    let cases = [
        (
            "<a href='data:application/zip,x' download='x.zip' style='position:fixed;inset:0'>x</a>",
            "a download of `x.zip` was refused",
        ),
        (
            "<input type=file style='position:fixed;inset:0;width:300px;height:200px'>",
            "the page asked for a file, and was given none",
        ),
    ];
    for (html, note) in cases {
        let opened = open(html).await;
        opened.look().await;
        opened.browser.act(&click(30.0, 100.0, MouseButton::Left, 1)).await.unwrap();
        assert_eq!(opened.look().await.notes, [note]);
    }
}
