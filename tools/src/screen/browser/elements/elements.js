// What a click at a place of a frame would reach, or, where the place is null, everything in view that can be acted
// on. It reaches into open shadow trees; a frame inside becomes its number and where it is, for it may be another
// world's. The list leaves out what is hidden, out of view or empty; what an opaque element covers it has.
(at) => {
    const ACTS =
        'a[href],area[href],button,input:not([type=hidden]),select,textarea,summary,option,label,[role=button],[role=link],' +
        '[role=checkbox],[role=radio],[role=switch],[role=tab],[role=option],[role^=menuitem],[role=textbox],[role=combobox],' +
        '[role=slider],[role=treeitem],[onclick],[tabindex],[contenteditable=""],[contenteditable=true]';
    // What is drawn by a program of the page's decides for itself what a click on it does.
    const DRAWN = ['canvas', 'video', 'embed', 'object', 'svg'];
    const LONGEST = 80;

    const parentOf = (element) => element.assignedSlot ?? element.parentElement ?? element.getRootNode().host ?? null;
    const tidy = (text) => (text ?? '').replace(/\s+/g, ' ').trim();
    const cut = (text) => ([...text].length > LONGEST ? [...text].slice(0, LONGEST).join('') + '…' : text);

    const roleOf = (element) => {
        const given = tidy(element.getAttribute('role')).split(' ')[0];
        if (given) return given;
        switch (element.localName) {
            case 'a': case 'area': return element.hasAttribute('href') ? 'link' : 'generic';
            case 'button': case 'summary': return 'button';
            case 'select': return element.multiple || element.size > 1 ? 'listbox' : 'combobox';
            case 'textarea': return 'textbox';
            case 'option': return 'option';
            case 'label': return 'label';
            case 'img': case 'svg': case 'canvas': return 'img';
            case 'h1': case 'h2': case 'h3': case 'h4': case 'h5': case 'h6': return 'heading';
            case 'input':
                switch (element.type) {
                    case 'button': case 'submit': case 'reset': case 'image': return 'button';
                    case 'checkbox': case 'radio': return element.type;
                    case 'range': return 'slider';
                    case 'number': return 'spinbutton';
                    case 'search': return 'searchbox';
                    default: return 'textbox';
                }
            default: return element.isContentEditable ? 'textbox' : 'generic';
        }
    };

    const nameOf = (element) => {
        const isButton = element.localName === 'input' && ['button', 'submit', 'reset', 'image'].includes(element.type);
        const holds = ['input', 'textarea', 'select'].includes(element.localName) && !isButton;
        const ids = tidy(element.getAttribute('aria-labelledby')).split(' ').filter(Boolean);
        const tree = element.getRootNode();
        const candidates = [
            () => ids.map((id) => tidy(tree.getElementById?.(id)?.innerText)).join(' '),
            () => element.getAttribute('aria-label'),
            () => [...(element.labels ?? [])].map((label) => tidy(label.innerText)).join(' '),
            () => (isButton ? element.value || { submit: 'Submit', reset: 'Reset' }[element.type] : ''),
            () => element.getAttribute('alt'),
            () => (holds || element === document.body || element === document.documentElement ? '' : element.innerText),
            () => element.querySelector?.('img[alt],svg>title')?.getAttribute('alt'),
            () => element.getAttribute('title'),
            () => element.getAttribute('placeholder'),
        ];
        for (const candidate of candidates) {
            const name = tidy(candidate());
            if (name) return cut(name);
        }
        return '';
    };

    const valueOf = (element) => {
        switch (element.localName) {
            case 'textarea': return element.value;
            case 'select': return [...element.selectedOptions].map((option) => option.label).join(', ');
            case 'input':
                if (['button', 'submit', 'reset', 'image', 'checkbox', 'radio'].includes(element.type)) return null;
                return element.type === 'password' ? '•'.repeat(element.value.length) : element.value;
            default: return element.isContentEditable ? tidy(element.innerText) : null;
        }
    };

    const checkedOf = (element) => {
        if (element.localName === 'input' && ['checkbox', 'radio'].includes(element.type)) return element.checked;
        if (element.localName === 'option') return element.selected;
        const aria = element.getAttribute('aria-checked') ?? element.getAttribute('aria-selected');
        return aria === null ? null : aria === 'true';
    };

    const regionOf = (element) => {
        const { left, top, right, bottom } = element.getBoundingClientRect();
        return { left, top, right, bottom };
    };

    const told = (element, acts) => ({
        role: roleOf(element),
        name: nameOf(element),
        region: regionOf(element),
        acts,
        value: valueOf(element),
        checked: checkedOf(element),
        enabled: !(element.disabled ?? false) && element.getAttribute('aria-disabled') !== 'true',
    });

    // The numbers are those of the frame tree: the order of `window.frames`.
    const frame = (element) => {
        const number = [...Array(window.length).keys()].find((n) => window[n] === element.contentWindow);
        if (number === undefined) return null;
        const rect = element.getBoundingClientRect();
        return { frame: number, left: rect.left + element.clientLeft, top: rect.top + element.clientTop };
    };
    const isFrame = (element) => element.localName === 'iframe' || element.localName === 'frame';

    const reached = () => {
        let found = document.elementFromPoint(at.x, at.y);
        for (let inner; found?.shadowRoot; found = inner) {
            inner = found.shadowRoot.elementFromPoint(at.x, at.y);
            if (!inner || inner === found) break;
        }
        if (!found) return [];
        if (isFrame(found)) return [frame(found)].filter(Boolean);
        for (let element = found; element; element = parentOf(element)) {
            // A click on a label is one on what it labels.
            if (element.localName === 'label') return [told(element.control ?? element, element.control !== null)];
            if (element.matches(ACTS) || DRAWN.includes(element.localName)) return [told(element, true)];
        }
        return [told(found, getComputedStyle(found).cursor === 'pointer')];
    };

    const inView = (element) => {
        const { left, top, right, bottom } = element.getBoundingClientRect();
        if (right - left < 1 || bottom - top < 1) return false;
        if (right <= 0 || bottom <= 0 || left >= innerWidth || top >= innerHeight) return false;
        return element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    };

    const all = [];
    const gather = (tree) => {
        for (const element of tree.querySelectorAll('*')) {
            if (isFrame(element)) {
                const inside = inView(element) ? frame(element) : null;
                if (inside) all.push(inside);
            } else if (element.localName !== 'label' && element.matches(ACTS) && inView(element)) {
                all.push(told(element, true));
            }
            if (element.shadowRoot) gather(element.shadowRoot);
        }
    };

    if (at) return reached();
    gather(document);
    return all;
}
