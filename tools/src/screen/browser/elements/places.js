// Where a frame shows or holds one of these texts: the field that holds it, or the rectangles around its words. Letter
// case and blanks don't count, for styles change both. It reaches into open shadow trees; a frame inside becomes its
// number and where it is. What a program of the page's draws, and what stands in a style sheet, it can't find.
(texts) => {
    const plain = (text) => (text ?? '').replace(/\s+/g, ' ').toLowerCase();
    const wanted = texts.map(plain);
    const holds = (text) => wanted.some((one) => plain(text).includes(one));
    const found = [];
    const add = ({ left, top, right, bottom }) => {
        if (right > left && bottom > top) found.push({ left, top, right, bottom });
    };

    // The numbers are those of the frame tree: the order of `window.frames`.
    const frame = (element) => {
        const number = [...Array(window.length).keys()].find((n) => window[n] === element.contentWindow);
        if (number === undefined) return;
        const rect = element.getBoundingClientRect();
        found.push({ frame: number, left: rect.left + element.clientLeft, top: rect.top + element.clientTop });
    };

    const shown = (element) => {
        if (element.localName === 'select') return [...element.selectedOptions].map((option) => option.label).join(' ');
        if (element.localName === 'input' && element.type === 'password') return element.value ? '' : element.placeholder;
        return element.value || element.placeholder;
    };

    // The tree is the element itself or its shadow tree.
    const textsIn = (tree, element) => {
        const inside = [...tree.childNodes].filter((node) => node.nodeType === 3 && holds(node.data));
        for (const node of inside) {
            const range = document.createRange();
            range.selectNodeContents(node);
            [...range.getClientRects()].forEach(add);
        }
        // Put together from several pieces: all of it.
        if (!inside.length) add(element.getBoundingClientRect());
    };

    const visit = (element) => {
        if (['script', 'style', 'template', 'noscript', 'head'].includes(element.localName)) return;
        if (element.localName === 'iframe' || element.localName === 'frame') return frame(element);
        if (['input', 'textarea', 'select'].includes(element.localName)) {
            if (holds(shown(element))) add(element.getBoundingClientRect());
            return;
        }
        for (const tree of [element.shadowRoot, element]) {
            if (!tree) continue;
            const children = [...tree.children];
            if (holds(tree.textContent) && !children.some((child) => holds(child.textContent))) textsIn(tree, element);
            children.forEach(visit);
        }
    };
    if (document.body) visit(document.body);
    return found;
}
