//! The text that a person could read.

use crate::open;

#[tokio::test(flavor = "multi_thread")]
async fn the_visible_text_is_what_a_person_could_read() {
    let cases = [
        ("<p>Hello,   <b>wor</b>ld</p><p>Next</p>", "Hello, world\nNext"),
        (
            "<p>shown</p><p style='display:none'>a</p><p style='visibility:hidden'>b</p><p style='opacity:0'>c</p>",
            "shown",
        ),
        ("<p>above</p><div style='height:2000px'></div><p>below the fold</p>", "above"),
        ("<div style='height:30px;overflow:hidden'><div style='height:40px'>in</div>cut off</div>", "in"),
        (
            "<input value=ada><input type=password value=secret><input placeholder=city><textarea>note</textarea>",
            "ada\n••••••\ncity\nnote",
        ),
        ("<input type=hidden value=a><input type=checkbox value=b><input type=submit value=Send>", "Send"),
        ("<select><option>one<option selected>two</select>", "two"),
        ("<button>Yes</button><button>No</button>", "Yes No"),
        ("<p style='text-transform:uppercase'>loud</p>", "LOUD"),
        ("<pre>a\n  b</pre>", "a\nb"),
        ("one<br>two", "one\ntwo"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<iframe srcdoc='<p>in a frame' style='height:50px'></iframe>", "in a frame"),
        (
            "<div id=h></div><script>h.attachShadow({mode:'open'}).innerHTML='<p>shadow</p><slot></slot>';h.append('light')</script>",
            "shadow\nlight",
        ),
        ("<script>document.write('<p>late')</script><noscript>no</noscript><style>p{}</style>", "late"),
        ("<div style='position:fixed;top:100px'>Welcome, ada</div>", "Welcome, ada"),
    ];
    let opened = open("").await;
    for (html, expected) in cases {
        opened.show(html).await;
        assert_eq!(opened.text().await, expected, "{html}");
    }
}
