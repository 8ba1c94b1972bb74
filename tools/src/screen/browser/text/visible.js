// The text that a person could read in a frame, a line for each block of the page: a function of the part of
// the frame that is in view (all of its viewport if null). It reaches into open shadow trees; frames inside
// become their number and the part of them that is in view, for they may be another world's. What lies outside
// the view or is cut off by a scrolling or clipping ancestor is left out; what an opaque element covers is not.
(view) => {
    const lines = [];
    let line = '';
    let block = null;

    const meet = (a, b) => ({
        left: Math.max(a.left, b.left),
        top: Math.max(a.top, b.top),
        right: Math.min(a.right, b.right),
        bottom: Math.min(a.bottom, b.bottom),
    });
    const empty = (r) => r.right - r.left < 1 || r.bottom - r.top < 1;
    const shows = (rect, clip) => !empty(rect) && !empty(meet(rect, clip));
    const liesIn = (r, clip) =>
        r.left >= clip.left - 1 && r.top >= clip.top - 1 && r.right <= clip.right + 1 && r.bottom <= clip.bottom + 1;

    const endLine = () => {
        const text = line.replace(/[ \t\u00a0]+/g, ' ').trim();
        if (text) lines.push({ text });
        line = '';
    };
    const write = (text, inBlock) => {
        if (inBlock !== block) {
            endLine();
            block = inBlock;
        }
        line += text;
    };

    const transformed = (text, style) => {
        switch (style.textTransform) {
            case 'uppercase': return text.toUpperCase();
            case 'lowercase': return text.toLowerCase();
            case 'capitalize': return text.replace(/(^|\s)\p{L}/gu, (c) => c.toUpperCase());
            default: return text;
        }
    };

    // The part of a text node that is inside the clip, word by word where it is cut.
    const visiblePart = (node, clip) => {
        const range = node.ownerDocument.createRange();
        range.selectNodeContents(node);
        const rects = [...range.getClientRects()];
        if (!rects.some((rect) => shows(rect, clip))) return '';
        if (rects.every((rect) => empty(rect) || liesIn(rect, clip))) return node.data;
        return node.data.replace(/\S+/g, (word, at) => {
            range.setStart(node, at);
            range.setEnd(node, at + word.length);
            return [...range.getClientRects()].some((rect) => shows(rect, clip)) ? word : '';
        });
    };

    const valueOf = (element) => {
        if (element.localName === 'select') {
            return [...element.selectedOptions].map((option) => option.label).join(', ');
        }
        if (element.localName === 'textarea') return element.value || element.placeholder;
        switch (element.type) {
            case 'hidden': case 'checkbox': case 'radio': case 'range': case 'color': case 'image':
                return '';
            case 'password':
                return element.value ? '•'.repeat(element.value.length) : element.placeholder;
            case 'submit':
                return element.value || 'Submit';
            case 'reset':
                return element.value || 'Reset';
            default:
                return element.value || element.placeholder || '';
        }
    };

    const inline = (style) => style.display.startsWith('inline') || style.display === 'contents';

    const walk = (parent, clip, inBlock) => {
        for (const node of parent.childNodes) {
            if (node.nodeType === 3) {
                const host = parent.nodeType === 11 ? parent.host : (parent.slotted ?? parent);
                const style = host.ownerDocument.defaultView.getComputedStyle(host);
                if (style.visibility !== 'visible') continue;
                // Space at the end of a line has no extent, and yet it parts two words.
                const text = node.data.trim() ? visiblePart(node, clip) : node.data;
                const kept = style.whiteSpace.startsWith('pre');
                if (kept) {
                    text.split('\n').forEach((piece, n) => {
                        if (n) endLine();
                        write(transformed(piece, style), inBlock);
                    });
                } else if (text) {
                    write(transformed(text, style).replace(/\s+/g, ' '), inBlock);
                }
            } else if (node.nodeType === 1) {
                visit(node, clip, inBlock);
            }
        }
    };

    const visit = (element, clip, inBlock) => {
        if (['script', 'style', 'noscript', 'template', 'option', 'head', 'title'].includes(element.localName)) return;
        const style = element.ownerDocument.defaultView.getComputedStyle(element);
        if (style.display === 'none' || style.contentVisibility === 'hidden' || Number(style.opacity) === 0) return;
        if (element.localName === 'br') {
            endLine();
            return;
        }
        const rect = element.getBoundingClientRect();
        const seen = style.visibility === 'visible' && shows(rect, clip);
        if (['input', 'textarea', 'select'].includes(element.localName)) {
            // A field is a block of its own: its text doesn't run on into its caption.
            if (seen) write(valueOf(element).replace(/\s+/g, ' '), element);
            return;
        }
        if (element.localName === 'iframe' || element.localName === 'frame') {
            if (seen) frame(element, rect, clip);
            return;
        }
        let inner = clip;
        if (style.position === 'fixed') inner = screenful;
        // The body's own clipping is the viewport's.
        const clips = style.overflowX !== 'visible' || style.overflowY !== 'visible';
        if (clips && element.localName !== 'body') inner = meet(inner, rect);
        const within = inline(style) ? inBlock : element;
        // Buttons side by side are words apart, with or without a space in the source.
        const boxed = within !== element && style.display.startsWith('inline-');
        if (boxed) write(' ', inBlock);
        const inside = element.shadowRoot ?? element;
        if (inside.localName === 'slot' && inside.assignedNodes().length) {
            walk({ childNodes: inside.assignedNodes(), slotted: element }, inner, within);
        } else {
            walk(inside, inner, within);
        }
        // What follows a block begins a new line, even in the block around both.
        if (within === element) endLine();
        if (boxed) write(' ', inBlock);
    };

    // The numbers are those of the frame tree: the order of `window.frames`.
    const frame = (element, rect, clip) => {
        const number = [...Array(window.length).keys()].find((n) => window[n] === element.contentWindow);
        if (number === undefined) return;
        const left = rect.left + element.clientLeft;
        const top = rect.top + element.clientTop;
        const seen = meet(clip, { left, top, right: left + element.clientWidth, bottom: top + element.clientHeight });
        endLine();
        lines.push({
            frame: number,
            view: { left: seen.left - left, top: seen.top - top, right: seen.right - left, bottom: seen.bottom - top },
        });
    };

    const screenful = view ?? { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
    if (document.body) visit(document.body, screenful, document.body);
    endLine();
    return lines;
}
