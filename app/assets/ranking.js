// Hands the ranking to the heatmap it belongs to, whichever of the two is drawn first.
const target = element.querySelector('[data-heatmap]').dataset.heatmap;
const store = (window.gemStudio = window.gemStudio || {});
store.rankings = store.rankings || {};

function send() {
  store.rankings[target] = JSON.parse(props.value.packed);
  document.dispatchEvent(new CustomEvent('gem-ranking', { detail: target }));
}

send();
watch('value', send);
