// Tells what a person does on a page: runs in a world of our own in every document, before any script of the page's,
// which can neither see it nor call what it calls. Only events that the browser made itself count, and they are heard
// before the page hears them. What is typed into a masked field doesn't leave the document.
(() => {
    if (globalThis.perceptRecording) return;

    const tell = (kind, what = {}) => globalThis.perceptTold?.(JSON.stringify({ at: Date.now(), kind, ...what }));

    // A point of this frame as one of the frame that is nearest to the top and lets its own be seen: frames of other
    // hosts don't say where they are, but which they are, as the numbers in `window.frames` that lead to them.
    const place = ({ clientX: x, clientY: y }) => {
        let view = window;
        for (; view !== view.top && view.frameElement; view = view.parent) {
            const { left, top } = view.frameElement.getBoundingClientRect();
            x += left + view.frameElement.clientLeft;
            y += top + view.frameElement.clientTop;
        }
        const frame = [];
        for (; view !== view.top; view = view.parent) {
            const above = view.parent;
            frame.unshift([...Array(above.length).keys()].findIndex((number) => above[number] === view));
        }
        return { x, y, ratio: devicePixelRatio, frame };
    };

    // Fields that are masked or once were, and what was last seen in them: a page may unmask a field, or show elsewhere
    // what was typed into it.
    const secrets = new Map();
    const isMasked = (element) =>
        element.type === 'password' || /(^|[ -])password$/.test(element.autocomplete) ||
        (getComputedStyle(element).webkitTextSecurity ?? 'none') !== 'none';
    const isMaskable = (element) => ['input', 'textarea'].includes(element.localName) || element.isContentEditable;
    const valueOf = (element) => element.value ?? element.textContent ?? '';
    const isSecret = (element) => {
        if (isMaskable(element) && isMasked(element)) secrets.set(element, valueOf(element));
        return secrets.has(element);
    };

    const TEXTUAL = ['text', 'search', 'email', 'url', 'tel', 'number', 'password'];
    const isField = (element) =>
        element.localName === 'textarea' || element.isContentEditable ||
        (element.localName === 'input' && TEXTUAL.includes(element.type));
    const hasLines = (element) => element.localName === 'textarea' || element.isContentEditable;
    // What can't be looked into, as a closed shadow tree, may hold a masked field.
    const isHidden = (element) => !isField(element) || isSecret(element);
    const targetOf = (event) => event.composedPath()[0] ?? event.target;
    const lengthOf = (element) => valueOf(element).length;

    const MODIFIERS = ['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'CapsLock', 'NumLock', 'Fn', 'Dead', 'Process', 'Unidentified'];
    const chord = (event, writes) => {
        const isNamed = [...event.key].length > 1;
        const name = event.key === ' ' ? 'Space' : isNamed || writes ? event.key : event.key.toLowerCase();
        if (writes) return name;
        const held = [event.ctrlKey && 'Control', event.altKey && 'Alt', event.metaKey && 'Meta', event.shiftKey && 'Shift'];
        return [...held.filter(Boolean), name].join('+');
    };

    // Whether the key that is down was told, so that what it writes isn't told twice.
    let keyed = false;
    // A key that is down and may still write: what it writes is told then, and if it writes nothing the key itself.
    let held = null;
    const tellHeld = () => {
        if (held) tell('key', held);
        held = null;
    };
    // How much was in the field before something was erased.
    let before = null;
    const takeKeyed = () => [keyed, (keyed = false)][0];

    const write = (element, text) => {
        held = null;
        if (isHidden(element)) tell('secret', { keyed: takeKeyed() });
        else if (text) tell('text', { text, keyed: takeKeyed() });
    };

    const heard = {
        pointerdown: (event) => {
            const button = ['left', 'middle', 'right'][event.button];
            if (button) tell('down', { ...place(event), button });
        },
        pointerup: (event) => tell('up', place(event)),
        // The page's own dragging takes the pointer away: it ends with one of these.
        drop: (event) => tell('up', place(event)),
        dragend: (event) => tell('up', place(event)),

        keydown: (event) => {
            keyed = false;
            tellHeld();
            if (event.isComposing || event.keyCode === 229 || MODIFIERS.includes(event.key)) return;
            const commands = (event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState('AltGraph');
            const writes = [...event.key].length === 1 && !commands;
            const element = targetOf(event);
            if (writes && isSecret(element)) return tell('secret', { keyed: false });
            if ((event.ctrlKey || event.metaKey) && ['+', '-', '=', '0'].includes(event.key)) {
                return tell('lost', { what: 'a key that makes the browser enlarge the page' });
            }
            if (writes) {
                held = { key: chord(event, writes), at: Date.now() };
                return;
            }
            tell('key', { key: chord(event, writes) });
            keyed = true;
        },
        keyup: () => {
            keyed = false;
            tellHeld();
        },
        pagehide: tellHeld,

        beforeinput: (event) => {
            const element = targetOf(event);
            before = null;
            switch (event.inputType) {
                case 'insertText': case 'insertFromPaste': case 'insertFromPasteAsQuotation': case 'insertFromYank':
                    return write(element, event.data ?? event.dataTransfer?.getData('text/plain'));
                case 'insertLineBreak': case 'insertParagraph':
                    if (hasLines(element)) write(element, '\n');
                    return;
                case 'deleteContentBackward': case 'deleteWordBackward': case 'deleteSoftLineBackward':
                case 'deleteHardLineBackward':
                    before = lengthOf(element);
                    return;
                case 'insertReplacementText':
                    return tell('lost', { what: 'a correction that the browser proposed' });
            }
        },
        compositionend: (event) => write(targetOf(event), event.data),
        input: (event) => {
            const element = targetOf(event);
            if (secrets.has(element)) secrets.set(element, valueOf(element));
            if (before !== null) {
                const units = before - lengthOf(element);
                if (keyed && units > 0) tell('erase', { units });
                before = null;
            } else if (element.localName === 'select' && !element.multiple && element.size <= 1) {
                tell('choice', { label: element.selectedOptions[0]?.label.trim() ?? '' });
            } else if (element.localName === 'input' && ['date', 'time', 'datetime-local', 'month', 'week', 'color'].includes(element.type)) {
                if (!keyed) tell('lost', { what: `what was chosen in the ${element.type} field's own window` });
            }
        },

        wheel: (event) => {
            // With Control it enlarges the page.
            if (event.ctrlKey) return;
            const unit = event.deltaMode === 0 ? 1 : event.deltaMode === 1 ? 40 : innerHeight;
            tell('wheel', { ...place(event), right: event.deltaX * unit, down: event.deltaY * unit });
        },
        visibilitychange: () => {
            if (document.visibilityState === 'visible' && window === window.top) tell('front');
        },
    };

    const trusted = (event) => {
        if (event.isTrusted) heard[event.type](event);
    };
    // A document that is opened for writing loses its listeners; adding those that are there already does nothing.
    const listen = () => {
        for (const kind of Object.keys(heard)) addEventListener(kind, trusted, { capture: true, passive: true });
    };
    listen();

    globalThis.perceptRecording = {
        // Where this frame shows what is nobody's business, and where its frames are; `places` finds texts.
        veil: (places) => {
            listen();
            const masked = (tree) => {
                for (const element of tree.querySelectorAll('*')) {
                    isSecret(element);
                    if (element.shadowRoot) masked(element.shadowRoot);
                }
            };
            masked(document);
            for (const [element, value] of secrets) {
                if (valueOf(element) && valueOf(element) !== value) secrets.set(element, valueOf(element));
            }
            const filled = [...secrets.keys()].filter((element) => element.isConnected && valueOf(element));
            const boxes = filled.map((element) => {
                const { left, top, right, bottom } = element.getBoundingClientRect();
                return { left, top, right, bottom };
            });
            // A shorter one would be found all over the place.
            const texts = [...secrets.values()].filter((value) => value.length >= 4);
            return [...boxes.filter(({ left, right, top, bottom }) => right > left && bottom > top), ...places(texts)];
        },
    };
})();
