// What Gradio gives a heatmap's script, for a page that is opened from a file.
const read = (id) => ({ packed: document.getElementById(id).textContent });
const element = document.getElementById('heatmap');
const props = { value: read('cards') };
const watch = () => {};
const trigger = () => {};
const isDark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark', isDark.matches);
isDark.addEventListener('change', follow);
follow();
window.gemStudio = { rankings: { offline: JSON.parse(read('ranking').packed) } };
