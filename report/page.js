"use strict";
(function () {
	const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
	const search = document.getElementById("search");
	const nothing = document.getElementById("nothing");
	const off = new Set();
	const texts = new Map();

	document.getElementById("tools").hidden = false;

	function has(element, words) {
		let text = texts.get(element);
		if (text === undefined) {
			text = element.textContent.toLowerCase();
			texts.set(element, text);
		}
		return words.every((word) => text.includes(word));
	}

	function show(element, shown) {
		element.classList.toggle("gone", !shown);
		return shown;
	}

	// A process stays if one below it does.
	function filterNode(node, words) {
		let below = false;
		for (const child of all(":scope > ul > .node", node)) {
			below = filterNode(child, words) || below;
		}
		return show(node, below || has(node.querySelector(":scope > .one"), words));
	}

	function filter() {
		const words = search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
		let any = false;
		for (const group of all(".group")) {
			const on = !off.has(group.dataset.grade);
			const heading = all("header, .meaning", group).some((part) => has(part, words));
			let inside = false;
			for (const instance of all(".instance", group)) {
				inside = show(instance, on && (heading || has(instance, words))) || inside;
			}
			any = show(group, inside) || any;
		}
		for (const row of all(".row")) {
			any = show(row, !off.has(row.dataset.grade) && has(row, words)) || any;
		}
		for (const root of all(".tree > ul > .node")) {
			any = filterNode(root, words) || any;
		}
		nothing.hidden = any;
	}

	let waiting = 0;
	search.addEventListener("input", () => {
		clearTimeout(waiting);
		waiting = setTimeout(filter, 120);
	});
	for (const chip of all(".chip")) {
		chip.addEventListener("click", () => {
			const on = chip.getAttribute("aria-pressed") !== "true";
			chip.setAttribute("aria-pressed", String(on));
			off[on ? "delete" : "add"](chip.dataset.grade);
			filter();
		});
	}
	document.addEventListener("keydown", (e) => {
		if (e.key === "/" && document.activeElement !== search) {
			e.preventDefault();
			search.focus();
		} else if (e.key === "Escape" && document.activeElement === search) {
			search.value = "";
			filter();
			search.blur();
		}
	});

	// What a link leads to is opened.
	function reveal() {
		const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
		const details = target && target.closest("details");
		if (details) {
			details.open = true;
			details.scrollIntoView();
		}
	}
	window.addEventListener("hashchange", reveal);
	reveal();
})();
