//! What a page's elements are.

use percept_tools::{Element, Screen, ScreenPoint};

use crate::{Opened, open};

/// An element on a line: role, name, then what it holds.
fn told(element: &Element) -> String {
    let mut line = format!("{} “{}”", element.role, element.name);
    if let Some(value) = &element.value {
        line.extend([" = ", value]);
    }
    if let Some(checked) = element.checked {
        line.push_str(if checked { " [x]" } else { " [ ]" });
    }
    if !element.enabled {
        line.push_str(" off");
    }
    if !element.acts {
        line.push_str(" inert");
    }
    line
}

async fn at(opened: &Opened, x: f64, y: f64) -> Option<String> {
    opened.browser.element_at(ScreenPoint { x, y }).await.unwrap().as_ref().map(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_element_at_a_place_is_what_a_click_would_reach() {
    let top = "<style>body{margin:0} body>*{position:absolute;left:0;top:0;width:100px;height:40px}</style>";
    let cases = [
        ("<button>Log <b>in</b></button>", "button “Log in”"),
        ("<a href='#x'><i>Forgotten?</i></a>", "link “Forgotten?”"),
        ("<div onclick='1'>Tile</div>", "generic “Tile”"),
        ("<div style='cursor:pointer'>Tile</div>", "generic “Tile”"),
        ("<div>Only text</div>", "generic “Only text” inert"),
        ("<input aria-label=City value=Bern>", "textbox “City” = Bern"),
        ("<input type=password placeholder=PIN value=1234>", "textbox “PIN” = ••••"),
        ("<input type=submit disabled>", "button “Submit” off"),
        ("<label>News <input type=checkbox checked></label>", "checkbox “News” [x]"),
        ("<div role=switch aria-checked=false tabindex=0>Dark</div>", "switch “Dark” [ ]"),
        ("<canvas></canvas>", "img “”"),
        ("<button>Under</button><div style='background:red'>Over</div>", "generic “Over” inert"),
        (
            "<div id=h></div><script>h.attachShadow({mode:'open'}).innerHTML='<button style=\"width:100px;height:40px\">Deep'</script>",
            "button “Deep”",
        ),
        (
            "<iframe style='border:5px solid' srcdoc='<body style=margin:0><button style=\"width:90px;height:30px\">Inside'></iframe>",
            "button “Inside”",
        ),
    ];
    let opened = open("").await;
    for (html, expected) in cases {
        opened.show(&format!("{top}{html}")).await;
        opened.look().await;
        assert_eq!(at(&opened, 50.0, 20.0).await.as_deref(), Some(expected), "{html}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_can_be_acted_on_is_listed_where_it_is() {
    let opened = open(
        "<style>body{margin:0}</style><button style='position:absolute;left:10px;top:20px;width:30px;height:15px'>Go\
         </button><button style='display:none'>Hidden</button><button style='position:absolute;top:5000px'>Below\
         </button><p>Text</p><select aria-label=Size><option>S<option selected>L</select>\
         <iframe style='position:absolute;left:100px;top:50px;border:0' \
         srcdoc='<body style=margin:0><input type=radio aria-label=One style=\"position:absolute;left:0;top:0;margin:0;width:10px;height:10px\">'></iframe>",
    )
    .await;
    opened.look().await;
    let elements = opened.browser.elements().await.unwrap();
    let lines: Vec<_> = elements.iter().filter(|element| element.role != "option").map(told).collect();
    assert_eq!(lines, ["button “Go”", "combobox “Size” = L", "radio “One” [ ]"]);
    let region = elements[0].region;
    assert_eq!((region.left, region.top, region.right, region.bottom), (10.0, 20.0, 40.0, 35.0));
    let inside = elements.last().unwrap().region;
    assert_eq!((inside.left, inside.top, inside.right, inside.bottom), (100.0, 50.0, 110.0, 60.0));
    assert!(
        region.contains(ScreenPoint { x: 10.0, y: 20.0 })
            && !region.contains(ScreenPoint { x: 40.0, y: 20.0 })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_found_wherever_the_page_shows_or_holds_it() {
    let place =
        "style='position:absolute;left:20px;top:30px;width:80px;height:20px;margin:0;padding:0;border:0'";
    let cases = [
        (format!("<input {place} value='x love lace y'>"), true),
        (format!("<input {place} placeholder='love lace'>"), true),
        (format!("<textarea {place}>love lace</textarea>"), true),
        (format!("<select {place}><option>love lace</select>"), true),
        (format!("<p {place}>LOVE <b>lace</b></p>"), true),
        (
            format!(
                "<div {place} id=h></div><script>h.attachShadow({{mode:'open'}}).innerHTML='love lace'</script>"
            ),
            true,
        ),
        (format!("<input type=password {place} value='love lace'>"), false),
        (format!("<p {place} hidden>love lace"), false),
        (format!("<p {place}>loves lace"), false),
        (format!("<iframe {place} srcdoc='<body style=margin:0>love lace'></iframe>"), true),
    ];
    let opened = open("").await;
    for (html, is_shown) in cases {
        opened.show(&html).await;
        opened.look().await;
        let places = opened.browser.places_of(&["love lace".into()]).await.unwrap();
        assert_eq!(!places.is_empty(), is_shown, "{html}: {places:?}");
        let inside = places.iter().all(|place| place.left >= 20.0 && place.top >= 29.0 && place.left < 100.0);
        assert!(inside, "{html}: {places:?}");
    }
}
